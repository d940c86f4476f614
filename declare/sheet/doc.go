// Package sheet turns tables into declarations and back: CSV in UTF-8 or
// GB18030, XLSX, and NDJSON with one declaration a line. It knows no database
// and no HTTP.
//
// A [Form] is the table of one kind, made from the kind's schema and its
// table.yaml. The kind's repeated array (the goods items of a goods
// declaration) has one entry a row; everything outside it stands in the first
// row of a declaration and is empty or the same in its other rows.
//
//	reader, err := sheet.Open(file, source)            // what may be told at once, a *declare.Refusal
//	faults := form.CheckHeading(reader.Heading())      // what no row can mend
//	row, err := reader.Next()                          // io.EOF at the end
//	form.Reference(reader.Heading(), row)              // rows with one reference are one declaration
//	document, places, faults := form.Build(reader.Heading(), rows)
//	cell, ok := places.Cell(fault.Pointer)             // where the user finds what is wrong
//	sheet.Markup(out, file, source, marks)             // the table back, with what was wrong in it
//
// Reading is bounded in memory whatever the file: lines of 1 MiB (10 MiB of
// NDJSON), 1,000 columns, 1,000,000 rows, and for XLSX the limits of
// workbook.go. What is wrong with a file refuses it, what is wrong with a row
// or a cell refuses that row's declaration and no other. No value of a
// declaration stands in a fault's text.
//
// Numbers are never read into a binary float: a decimal is the text of its
// cell. In XLSX, a number with more than 15 digits is shortened to 15 as the
// spreadsheet program shows it (4.0999999999999996 is its way to store 4.1).
//
// Texts that a spreadsheet program would take for a formula get an apostrophe
// in front in everything written here, and lose it when they are read back.
package sheet
