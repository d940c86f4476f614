// Package board is the officials' page: HTML for the people who watch and
// decide, under /board/.
//
// Pages are html/template files under templates, drawn inside layout.html;
// their words stand in texts, in English and Chinese, never in a template or
// in Go. Everything works without JavaScript; htmx only spares reloading. The
// content security policy allows nothing but our own files, so there is no
// script or style inside a page, not even an attribute.
//
// A page is a method with a [visitor], wrapped by signedIn, that asks a leaf of
// declare within the visitor's scope and ends in render, missing or fail. What
// a visitor may not see does not exist: it is answered like a missing page.
package board
