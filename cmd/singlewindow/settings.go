package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"singlewindow/adapters"
	"singlewindow/cmd/privatepostgres"
)

// settings is the whole configuration. A value comes from the flag, else from
// the environment (SINGLEWINDOW_ and the flag's name), else from the file
// singlewindow.yaml, else from the default.
type settings struct {
	Listen        string                `yaml:"listen"`
	Database      string                `yaml:"database"`
	Data          string                `yaml:"data"`
	PostgresBin   string                `yaml:"postgres-bin"`
	AgencyFolders string                `yaml:"agency-folders"` // --agencies: the key agencies holds where they are
	Schemas       string                `yaml:"schemas"`
	Agencies      map[string]deployment `yaml:"agencies"`

	// reread gives the settings as they are now, for what may change under a
	// running gateway; nil when nothing does.
	reread func() (settings, error)
}

// deployment says where an agency is; its contract is its folder's business.
type deployment struct {
	URL            string `yaml:"url"`
	CredentialFile string `yaml:"credentialFile"`
}

var settingHelp = []struct{ name, fallback, help string }{
	{"listen", "127.0.0.1:8080", "address to listen on"},
	{"database", "", "PostgreSQL URL; without one a private PostgreSQL is started"},
	{"data", "", "folder for the private PostgreSQL and the gateway's secret (default: /var/lib/singlewindow as root, else the user's data folder)"},
	{"postgres-bin", "", "folder of initdb and postgres (default: searched)"},
	{"agencies", "", "folder of agency folders that replace or extend the built-in ones; watched while serving"},
	{"schemas", "", "folder of schemas that agency folders need and may not ship; watched while serving"},
}

// addSettings declares the flags that a command with a ledger has.
func addSettings(command *cobra.Command) {
	flags := command.Flags()
	flags.String("config", "", "configuration file (default: singlewindow.yaml here, when there is one)")
	for _, setting := range settingHelp {
		flags.String(setting.name, setting.fallback, setting.help)
	}
	flags.SetNormalizeFunc(agenciesAlias)
	if flags.Lookup("agency") == nil { // else the command has an agency of its own to name
		flags.StringArray("agency", nil, "NAME=URL[,CREDENTIAL-FILE] of an agency; may be repeated")
	}
}

// agenciesAlias understands what --agencies was called before.
func agenciesAlias(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	if name == "agency-folders" {
		name = "agencies"
	}
	return pflag.NormalizedName(name)
}

// readSettings gathers the configuration. Every fault in it is a usage error.
func readSettings(command *cobra.Command) (settings, error) {
	s, err := readSettingsFile(command)
	if err != nil {
		return s, usageError{err}
	}
	targets := map[string]*string{"listen": &s.Listen, "database": &s.Database, "data": &s.Data, "postgres-bin": &s.PostgresBin, "agencies": &s.AgencyFolders, "schemas": &s.Schemas}
	for _, setting := range settingHelp {
		target := targets[setting.name]
		flag := command.Flags().Lookup(setting.name)
		environment, inEnvironment := os.LookupEnv("SINGLEWINDOW_" + strings.ToUpper(strings.ReplaceAll(setting.name, "-", "_")))
		switch {
		case flag.Changed:
			*target = flag.Value.String()
		case inEnvironment:
			*target = environment
		case *target == "":
			*target = setting.fallback
		}
	}
	var agencies []string
	if flag, several := command.Flags().Lookup("agency").Value.(pflag.SliceValue); several {
		agencies = flag.GetSlice()
	}
	for _, text := range agencies {
		name, rest, found := strings.Cut(text, "=")
		if !found {
			return s, usageError{fmt.Errorf("--agency %s: write NAME=URL", text)}
		}
		url, credential, _ := strings.Cut(rest, ",")
		if s.Agencies == nil {
			s.Agencies = map[string]deployment{}
		}
		s.Agencies[name] = deployment{url, credential}
	}
	if s.Data == "" {
		s.Data, err = privatepostgres.DefaultFolder()
	}
	return s, err
}

// readSettingsFile reads singlewindow.yaml; an unknown key is an error that
// names its line.
func readSettingsFile(command *cobra.Command) (settings, error) {
	var s settings
	name, err := command.Flags().GetString("config")
	if err != nil {
		return s, err
	}
	file := name
	if file == "" {
		file = "singlewindow.yaml"
	}
	content, err := os.ReadFile(file)
	if name == "" && errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	if err := yaml.UnmarshalWithOptions(content, &s, yaml.Strict()); err != nil {
		return s, fmt.Errorf("%s: %w", file, err)
	}
	return s, nil
}

// current gives the deployments as they are configured now.
func (s settings) current() (adapters.Deployments, error) {
	if s.reread != nil {
		fresh, err := s.reread()
		if err != nil {
			return nil, err
		}
		s = fresh
	}
	return s.deployments()
}

// deployments reads the credentials that the configuration names.
func (s settings) deployments() (adapters.Deployments, error) {
	found := adapters.Deployments{}
	for name, d := range s.Agencies {
		token := ""
		if d.CredentialFile != "" {
			content, err := os.ReadFile(d.CredentialFile)
			if err != nil {
				return nil, usageError{fmt.Errorf("credential of %s: %w", name, err)}
			}
			token = strings.TrimSpace(string(content))
		}
		found[name] = adapters.Deployment{URL: d.URL, Token: token}
	}
	return found, nil
}

// folders gives the agencies' folders: the built-in ones, or those of a folder
// on disk laid over them.
func folders(overlay string) (fs.FS, error) {
	if overlay == "" {
		return adapters.Embedded(), nil
	}
	upper, err := directoryOf(overlay)
	if err != nil {
		return nil, err
	}
	return adapters.Overlay(upper, adapters.Embedded()), nil
}

// schemas gives the folder that supplies what agency folders may not ship; nil
// when there is none.
func (s settings) schemas() (fs.FS, error) {
	if s.Schemas == "" {
		return nil, nil
	}
	return directoryOf(s.Schemas)
}

func directoryOf(name string) (fs.FS, error) {
	if info, err := os.Stat(name); err != nil || !info.IsDir() {
		return nil, usageError{fmt.Errorf("%s is not a folder", name)}
	}
	return os.DirFS(name), nil
}
