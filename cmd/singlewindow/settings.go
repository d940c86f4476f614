package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"singlewindow/adapters"
	"singlewindow/api"
	"singlewindow/cmd/privatepostgres"
	"singlewindow/declare"
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
	WebhookAllow  string                `yaml:"webhook-allow"`
	Agencies      map[string]deployment `yaml:"agencies"`
	TestWorld     string                `yaml:"test-world"`
	TestPace      string                `yaml:"test-pace"`
	JWTIssuer     string                `yaml:"jwt-issuer"`
	JWTAudience   string                `yaml:"jwt-audience"`
	JWTTenant     string                `yaml:"jwt-tenant-claim"`
	DoorSettings  `yaml:",inline"`

	// reread gives the settings as they are now, for what may change under a
	// running gateway; nil when nothing does.
	reread func() (settings, error)

	// given stands for the deployments that the settings name: those of the
	// test world are not configured.
	given adapters.Deployments
}

// deployment says where an agency is; its contract is its folder's business.
type deployment struct {
	URL            string `yaml:"url"`
	CredentialFile string `yaml:"credentialFile"`
}

// settingText is a setting's name, what it is when nobody says, and what it
// means.
type settingText struct{ name, fallback, help string }

var settingHelp = []settingText{
	{"listen", "127.0.0.1:8080", "address to listen on"},
	{"database", "", "PostgreSQL URL; without one a private PostgreSQL is started"},
	{"data", "", "folder for the private PostgreSQL and the gateway's secret (default: /var/lib/singlewindow as root, else the user's data folder)"},
	{"postgres-bin", "", "folder of initdb and postgres (default: searched)"},
	{"agencies", "", "folder of agency folders that replace or extend the built-in ones; watched while serving"},
	{"test-world", "off", "on: keys that begin with sw_test_ file to simulated agencies, in a world of their own"},
	{"test-pace", "", "in the test world: time between one notice and the next, as 90s or 1h (default: each agency's own)"},
	{"jwt-issuer", "", "URL of the OAuth 2 server whose access tokens are taken beside API keys"},
	{"jwt-audience", "", "what its tokens must say in aud"},
	{"jwt-tenant-claim", "tenant", "the claim of its tokens that names the tenant"},
	{"schemas", "", "folder of schemas that agency folders need and may not ship; watched while serving"},
	{"webhook-allow", "", "CIDR prefixes, separated by commas, that webhooks may be sent to although they are not public; http and any port too"},
}

// addSettings declares the flags that a command with a ledger has.
func addSettings(command *cobra.Command) {
	flags := command.Flags()
	flags.String("config", "", "configuration file (default: singlewindow.yaml here, when there is one)")
	for _, setting := range settingHelp {
		flags.String(setting.name, setting.fallback, setting.help)
	}
	flags.Lookup("test-world").NoOptDefVal = "on"
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
	targets := map[string]*string{"listen": &s.Listen, "database": &s.Database, "data": &s.Data, "postgres-bin": &s.PostgresBin, "agencies": &s.AgencyFolders, "schemas": &s.Schemas,
		"webhook-allow": &s.WebhookAllow, "test-world": &s.TestWorld, "test-pace": &s.TestPace, "jwt-issuer": &s.JWTIssuer, "jwt-audience": &s.JWTAudience, "jwt-tenant-claim": &s.JWTTenant}
	maps.Copy(targets, s.targets())
	for _, setting := range slices.Concat(settingHelp, doorHelp) {
		target := targets[setting.name]
		flag := command.Flags().Lookup(setting.name)
		environment, inEnvironment := os.LookupEnv("SINGLEWINDOW_" + strings.ToUpper(strings.ReplaceAll(setting.name, "-", "_")))
		switch {
		case flag != nil && flag.Changed:
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
	if s.given != nil {
		return s.given, nil
	}
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

// testWorld tells whether there shall be one.
func (s settings) testWorld() (bool, error) {
	switch s.TestWorld {
	case "on", "true":
		return true, nil
	case "off", "false", "":
		return false, nil
	}
	return false, usageError{errors.New("--test-world is on or off")}
}

// testPace is the time between notices in the test world, 0 for the agencies'
// own.
func (s settings) testPace() (time.Duration, error) {
	if s.TestPace == "" {
		return 0, nil
	}
	pace, err := time.ParseDuration(s.TestPace)
	if err != nil || pace <= 0 {
		return 0, usageError{errors.New("--test-pace is a time such as 90s or 1h")}
	}
	return pace, nil
}

// issuer is the one whose tokens are taken, nil for none.
func (s settings) issuer(log *slog.Logger) (*api.Issuer, error) {
	if s.JWTIssuer == "" {
		return nil, nil
	}
	issuer, err := api.NewIssuer(api.IssuerOptions{URL: s.JWTIssuer, Audience: s.JWTAudience, TenantClaim: s.JWTTenant, Now: time.Now, Log: log})
	if err != nil {
		return nil, usageError{fmt.Errorf("--jwt-issuer, --jwt-audience, --jwt-tenant-claim: %w", err)}
	}
	return issuer, nil
}

// installed tells whether there is a database to work on.
func (s settings) installed() bool {
	return s.Database != "" || privatepostgres.Made(s.Data)
}

// whichDatabase names it without what is secret in its URL.
func (s settings) whichDatabase() string {
	if s.Database == "" {
		return "the private PostgreSQL in " + s.Data
	}
	name, host, err := declare.DatabaseAt(s.Database)
	if err != nil {
		return "the database named by --database"
	}
	return fmt.Sprintf("the database %s at %s", name, host)
}

// flags are those that lead a command to the same database.
func (s settings) flags() string {
	if s.Database == "" {
		return " --data " + s.Data
	}
	return " --data " + s.Data + " and the same --database"
}

// demonstration tells where a demonstration was given in the data folder; ""
// for nowhere.
func (s settings) demonstration() string {
	at := filepath.Join(s.Data, demoFolder)
	if info, err := os.Stat(at); err != nil || !info.IsDir() {
		return ""
	}
	return "; that of the demonstration: --data " + at
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
