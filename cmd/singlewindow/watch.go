package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"singlewindow/adapters"
	"singlewindow/declare"
)

// lookEvery is how often agency folders are looked at. A change counts when
// the next look finds it at rest.
const lookEvery = 2 * time.Second

// openFolders loads the agency folders of the settings.
func (g *gateway) openFolders(s settings, deployments adapters.Deployments, log *slog.Logger) error {
	g.settings = s
	fsys, err := folders(s.AgencyFolders)
	if err != nil {
		return err
	}
	if g.schemas, err = s.schemas(); err != nil {
		return err
	}
	if g.folders, err = adapters.OpenFolders(fsys, g.schemas, deployments); err != nil {
		return err
	}
	known := map[string]bool{}
	for _, agency := range g.folders.Agencies() {
		known[agency.Profile().Name] = true
	}
	for name := range deployments {
		if known[name] {
			continue
		}
		if s.AgencyFolders == "" {
			return usageError{fmt.Errorf("the configuration names agency %s, which has no folder", name)}
		}
		log.Warn("an agency is configured that has no folder yet", "agency", name)
	}
	return nil
}

// agencies gives what the folders hold as the gateway knows it.
func (g *gateway) agencies() []declare.Agency {
	readers := g.folders.Agencies()
	g.readers.Store(&readers)
	var agencies []declare.Agency
	for _, agency := range readers {
		agencies = append(agencies, agency)
	}
	return agencies
}

// reopen makes a former version of an agency from its archive.
func (g *gateway) reopen(archive []byte) (declare.Agency, error) {
	agency, err := adapters.Reopen(archive, g.schemas)
	if err != nil {
		return nil, err
	}
	agency.UseSlots(g.slots)
	return agency, nil
}

// watch keeps the gateway up to date with the folders on disk until ctx ends.
// What is built in does not change.
func (g *gateway) watch(ctx context.Context, log *slog.Logger) {
	if g.settings.AgencyFolders == "" && g.settings.Schemas == "" {
		return
	}
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	due, failing := false, false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		changed, err := g.look(log)
		if due = due || changed; due && err == nil {
			if err = g.gateway.Replace(ctx, g.agencies(), g.folders.Refused()); err == nil {
				due = false
			}
		}
		if err != nil && !failing && ctx.Err() == nil {
			log.Error("agency folders not brought up to date, trying on", "error", err)
		}
		failing = err != nil
	}
}

// look takes in what changed on disk and logs what came of it.
func (g *gateway) look(log *slog.Logger) (changed bool, err error) {
	deployments, err := g.settings.current()
	if err != nil {
		return false, err
	}
	changes, err := g.folders.Look(deployments, time.Now())
	for _, change := range changes {
		switch {
		case change.Gone:
			log.Warn("agency folder is gone, its agency stays until the next start", "folder", change.Folder)
		case change.Agency == nil:
			for _, fault := range change.Faults {
				log.Error("agency folder refused", "folder", change.Folder, "fault", fault.Error())
			}
		default:
			change.Agency.UseSlots(g.slots)
			profile := change.Agency.Profile()
			log.Info("agency folder loaded", "agency", profile.Name, "folder", change.Folder, "version", profile.Version,
				"validFrom", profile.ValidFrom.Format(time.DateOnly), "digest", profile.Digest, "on", profile.On)
		}
	}
	return len(changes) > 0, err
}
