package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/parser"
	"github.com/spf13/cobra"
)

// usualServer is where a gateway on this machine listens.
const usualServer = "http://127.0.0.1:8080"

// connection is where a gateway is and who speaks to it, in which language.
type connection struct{ server, key, language string }

// connectionOf finds the connection: what flags say counts before the
// environment, and that before the profile in use. A profile named by a flag
// is itself said by a flag. Nothing is read that is not needed, so that a
// broken profile stops nobody who names server and key.
func connectionOf(command *cobra.Command) (connection, error) {
	at, name, named, err := saidConnection(command)
	if err != nil {
		return at, err
	}
	if named || at.server == "" || at.key == "" {
		if at, err = completed(at, name); err != nil {
			return at, err
		}
	}
	if at.key == "" {
		return at, usageError{errors.New("no API key: set SINGLEWINDOW_KEY, give --key-file, or keep a profile (singlewindow profiles add)")}
	}
	if at.server = cmp.Or(at.server, usualServer); at.language == "" {
		at.language = localeLanguage()
	}
	return at, nil
}

// saidConnection is what flags and environment say, and the profile's name;
// named tells that a flag gave it.
func saidConnection(command *cobra.Command) (at connection, name string, named bool, err error) {
	flags := command.Flags()
	var keyFile string
	for flag, target := range map[string]*string{"server": &at.server, "key-file": &keyFile, "profile": &name} {
		if *target, err = flags.GetString(flag); err != nil {
			return at, "", false, err
		}
	}
	if at.language, err = saidLanguage(command); err != nil {
		return at, "", false, err
	}
	if keyFile != "" {
		if at.key, err = readKey(keyFile); err != nil {
			return at, "", false, err
		}
	}
	if named = name != ""; !named {
		at.server = cmp.Or(at.server, os.Getenv("SINGLEWINDOW_SERVER"))
		at.key = cmp.Or(at.key, os.Getenv("SINGLEWINDOW_KEY"))
		name = os.Getenv("SINGLEWINDOW_PROFILE")
	}
	return at, name, named, nil
}

// completed adds from a profile, the one in use when none is named, what at
// lacks. Its key is for its own server: no other gets to see it.
func completed(at connection, name string) (connection, error) {
	kept, err := readProfiles()
	if err != nil {
		if name == "" && errors.Is(err, fs.ErrPermission) {
			return at, nil // somebody else's
		}
		return at, usageError{err}
	}
	asked := name != ""
	name = cmp.Or(name, kept.Use)
	p, known := kept.Profiles[name]
	switch {
	case !known && asked:
		return at, usageError{fmt.Errorf("there is no profile %s: singlewindow profiles list", name)}
	case !known:
		return at, nil
	case at.key == "" && at.server != "" && strings.TrimRight(at.server, "/") != p.Server:
		return at, usageError{fmt.Errorf("the key of profile %s is for its own server only: give --key-file for %s", name, at.server)}
	}
	if at.key == "" {
		if at.key, err = readKey(p.KeyFile); err != nil {
			return at, err
		}
	}
	at.server, at.language = cmp.Or(at.server, p.Server), cmp.Or(at.language, p.Language)
	return at, nil
}

func readKey(file string) (string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return "", usageError{err}
	}
	key := strings.TrimSpace(string(content))
	if key == "" || strings.ContainsFunc(key, func(char rune) bool { return char <= ' ' || char > '~' }) {
		return "", usageError{fmt.Errorf("%s holds no API key", file)}
	}
	return key, nil
}

func addLanguageFlag(command *cobra.Command) {
	command.Flags().String("language", "", "language of messages: en or zh (SINGLEWINDOW_LANGUAGE; default: that of the environment)")
}

// saidLanguage is what the flag says, or the environment of this program; ""
// when neither does.
func saidLanguage(command *cobra.Command) (string, error) {
	language, err := command.Flags().GetString("language")
	if err != nil {
		return "", err
	}
	language = cmp.Or(language, os.Getenv("SINGLEWINDOW_LANGUAGE"))
	if language != "" && language != "en" && language != "zh" {
		return "", usageError{errors.New("--language is en or zh")}
	}
	return language, nil
}

// localeLanguage is what the person at the keyboard reads.
func localeLanguage() string {
	if strings.HasPrefix(cmp.Or(os.Getenv("LC_ALL"), os.Getenv("LC_MESSAGES"), os.Getenv("LANG")), "zh") {
		return "zh"
	}
	return "en"
}

// languageOf is the language of a command that speaks to no gateway.
func languageOf(command *cobra.Command) (string, error) {
	language, err := saidLanguage(command)
	return cmp.Or(language, localeLanguage()), err
}

// profile is one gateway, and who we are there. The key stays in a file of its
// own: it may be replaced there, and this one may be shown.
type profile struct {
	Server   string `yaml:"server" json:"server"`
	KeyFile  string `yaml:"keyFile" json:"keyFile"`
	Language string `yaml:"language,omitempty" json:"language,omitempty"`
}

// profiles is the user's file of them.
type profiles struct {
	Use      string             `yaml:"use,omitempty"` // the one that counts when none is named; "" is none
	Profiles map[string]profile `yaml:"profiles"`

	file    string
	content []byte
}

func profilesFile() (string, error) {
	folder, err := os.UserConfigDir()
	return filepath.Join(folder, "singlewindow", "profiles.yaml"), err
}

// readProfiles reads the user's profiles; none when there is no file. An error
// names the file and the line.
func readProfiles() (*profiles, error) {
	p := &profiles{Profiles: map[string]profile{}}
	var err error
	if p.file, err = profilesFile(); err != nil {
		return nil, fmt.Errorf("no place for profiles: %w", err)
	}
	info, err := os.Stat(p.file)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o022 != 0 {
		return nil, fmt.Errorf("%s can be written by others, who could send your keys elsewhere: chmod 600 it", p.file)
	}
	if p.content, err = os.ReadFile(p.file); err != nil {
		return nil, err
	}
	err = yaml.UnmarshalWithOptions(p.content, p, yaml.Strict())
	var located yaml.Error
	if errors.As(err, &located) && located.GetToken() != nil { // without the excerpt: somebody may have put a key there
		err = p.wrong(located.GetToken().Position.Line, located.GetMessage())
	}
	if err != nil {
		return nil, err
	}
	return p, p.sound()
}

// sound tells what is wrong in a file that somebody wrote by hand.
func (p *profiles) sound() error {
	if p.Profiles == nil {
		p.Profiles = map[string]profile{}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Profiles)) {
		one := p.Profiles[name]
		if err := fitName(name); err != nil {
			return p.at(err.Error(), "profiles", name)
		}
		if err := fitServer(one.Server); err != nil {
			return p.at(err.Error(), "profiles", name, "server")
		}
		if one.KeyFile == "" {
			return p.at("keyFile is missing", "profiles", name)
		}
		if one.Language != "" && one.Language != "en" && one.Language != "zh" {
			return p.at("language is en or zh", "profiles", name, "language")
		}
	}
	if _, known := p.Profiles[p.Use]; p.Use != "" && !known {
		return p.at("there is no profile "+p.Use, "use")
	}
	return nil
}

// at is an error at a place of the file, or at the nearest one above it that
// there is.
func (p *profiles) at(text string, keys ...string) error {
	tree, err := parser.ParseBytes(p.content, 0)
	if err != nil {
		return p.wrong(1, text)
	}
	for end := len(keys); end > 0; end-- {
		builder := (&yaml.PathBuilder{}).Root()
		for _, key := range keys[:end] {
			builder = builder.Child(key)
		}
		if node, err := builder.Build().FilterFile(tree); err == nil {
			return p.wrong(node.GetToken().Position.Line, text)
		}
	}
	return p.wrong(1, text)
}

func (p *profiles) wrong(line int, text string) error {
	return fmt.Errorf("%s: line %d: %s", p.file, line, text)
}

var profileName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func fitName(name string) error {
	if !profileName.MatchString(name) {
		return errors.New("a profile's name is of letters, digits, dots, dashes and underscores")
	}
	return nil
}

// fitServer wants a bare address: what else an address may hold has no place
// in it, passwords above all.
func fitServer(server string) error {
	address, err := url.Parse(server)
	if err != nil || address.Host == "" || address.Scheme != "http" && address.Scheme != "https" ||
		address.User != nil || address.RawQuery != "" || address.Fragment != "" {
		return errors.New("server is the http or https address of a gateway")
	}
	return nil
}

// write replaces the file as a whole; nobody else may read it.
func (p *profiles) write() error {
	content, err := yaml.Marshal(p)
	if err != nil {
		return err
	}
	folder := filepath.Dir(p.file)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(folder, "profiles.*.tmp") // with 0600
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), p.file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

func profilesCommand() *cobra.Command {
	list := listProfiles("list", "List them; the one in use has a star")
	command := listProfiles("profiles", "Gateways and keys under names of yours")
	command.Long = "Keeps under a name where a gateway is and which file holds the key for it. What a flag says counts before the environment,\n" +
		"and that before the profile in use; --profile NAME counts as a flag. A profile's key is sent to no other server than its own."
	command.Example = "  singlewindow profiles add acme --server https://gateway.example --key-file acme.key\n" +
		"  singlewindow profiles use acme\n  singlewindow status ACME-7 --profile acme"
	command.AddCommand(list, addProfileCommand(), useProfileCommand(), removeProfileCommand())
	return command
}

func listProfiles(use, short string) *cobra.Command {
	command := &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs, Example: "  singlewindow profiles list",
		RunE: func(command *cobra.Command, _ []string) error {
			inJSON, err := asJSON(command)
			if err != nil {
				return err
			}
			kept, err := readProfiles()
			if err != nil {
				return usageError{err}
			}
			if inJSON {
				return printJSON(command.OutOrStdout(), map[string]any{"use": kept.Use, "profiles": kept.Profiles})
			}
			table := tabwriter.NewWriter(command.OutOrStdout(), 0, 0, 2, ' ', 0)
			for _, name := range slices.Sorted(maps.Keys(kept.Profiles)) {
				star := " "
				if name == kept.Use {
					star = "*"
				}
				one := kept.Profiles[name]
				fmt.Fprintf(table, "%s %s\t%s\t%s\t%s\n", star, name, one.Server, one.KeyFile, one.Language)
			}
			return table.Flush()
		},
	}
	addOutputFlag(command)
	return command
}

func addProfileCommand() *cobra.Command {
	var p profile
	command := &cobra.Command{
		Use: "add NAME --server URL --key-file FILE", Short: "Keep a gateway under a name, or change it; the first one is in use at once", Args: cobra.ExactArgs(1),
		Example: "  singlewindow profiles add acme --server https://gateway.example --key-file acme.key",
		RunE: func(command *cobra.Command, arguments []string) error {
			var err error
			if p.Language, err = saidLanguage(command); err != nil {
				return err
			}
			if err := addProfile(command, arguments[0], p); err != nil {
				return usageError{err}
			}
			return nil
		},
	}
	flags := command.Flags()
	flags.StringVar(&p.Server, "server", "", "address of the gateway")
	flags.StringVar(&p.KeyFile, "key-file", "", "file with the API key; it stays where it is")
	addLanguageFlag(command)
	return command
}

func addProfile(command *cobra.Command, name string, p profile) error {
	p.Server = strings.TrimRight(p.Server, "/")
	if err := errors.Join(fitName(name), fitServer(p.Server)); err != nil {
		return err
	}
	if p.KeyFile == "" {
		return errors.New("--key-file is needed")
	}
	if _, err := readKey(p.KeyFile); err != nil {
		return err
	}
	info, err := os.Stat(p.KeyFile)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 != 0 {
		fmt.Fprintf(command.ErrOrStderr(), "singlewindow: others can read %s: chmod 600 it\n", p.KeyFile)
	}
	if p.KeyFile, err = filepath.Abs(p.KeyFile); err != nil {
		return err
	}
	kept, err := readProfiles()
	if err != nil {
		return err
	}
	kept.Profiles[name] = p
	kept.Use = cmp.Or(kept.Use, name)
	return kept.write()
}

func useProfileCommand() *cobra.Command {
	return &cobra.Command{
		Use: "use NAME", Short: "Make it the one that counts when none is named", Args: cobra.ExactArgs(1),
		Example: "  singlewindow profiles use acme",
		RunE: func(_ *cobra.Command, arguments []string) error {
			return changeProfiles(arguments[0], func(kept *profiles) { kept.Use = arguments[0] })
		},
	}
}

func removeProfileCommand() *cobra.Command {
	return &cobra.Command{
		Use: "remove NAME", Short: "Forget it; the file with its key stays", Args: cobra.ExactArgs(1),
		Example: "  singlewindow profiles remove acme",
		RunE: func(_ *cobra.Command, arguments []string) error {
			return changeProfiles(arguments[0], func(kept *profiles) {
				delete(kept.Profiles, arguments[0])
				if kept.Use == arguments[0] {
					kept.Use = ""
				}
			})
		},
	}
}

// changeProfiles changes something about one profile that there is.
func changeProfiles(name string, change func(*profiles)) error {
	kept, err := readProfiles()
	if err != nil {
		return usageError{err}
	}
	if _, known := kept.Profiles[name]; !known {
		return usageError{fmt.Errorf("there is no profile %s: singlewindow profiles list", name)}
	}
	change(kept)
	return kept.write()
}
