package main

import (
	"context"
	"log/slog"
	"path/filepath"
	"time"

	"singlewindow/declare"
	"singlewindow/declare/batch"
	"singlewindow/declare/sheet"
)

// openBatches opens what takes files of many declarations.
func (g *gateway) openBatches(ctx context.Context, kinds map[string]*declare.Kind, log *slog.Logger) error {
	lists, err := declare.CodeLists()
	if err != nil {
		return err
	}
	forms := map[string]*sheet.Form{}
	for name, kind := range kinds {
		if forms[name], err = sheet.NewForm(kind, lists); err != nil {
			return err
		}
	}
	g.batches, err = batch.Open(ctx, batch.Options{
		Ledger: g.ledger, Gateway: g.gateway, Forms: forms, ReadXML: g.readXML, IDs: g.ids, Now: time.Now,
		Timing: batch.DefaultTiming(), Folder: filepath.Join(g.settings.Data, "arriving"), Log: log,
	})
	return err
}

// rootOfAnother is what a schema has against a message that begins with an
// element it does not know.
const rootOfAnother = "xsd.root"

// readXML reads a message back by the folder of the agency it is for.
func (g *gateway) readXML(message []byte) (agency string, tree map[string]any, faults []declare.Fault, err error) {
	for _, reader := range *g.readers.Load() {
		tree, faults, err := reader.ReadBack(message)
		if err != nil || tree != nil {
			return reader.Profile().Name, tree, nil, err
		}
		if len(faults) > 0 && faults[0].Code != rootOfAnother {
			return reader.Profile().Name, nil, faults, nil
		}
	}
	return "", nil, nil, nil
}
