package declare

import (
	_ "embed"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/goccy/go-yaml"
)

// chartText is the chart of all that an examination may find.
//
//go:embed doctor.yaml
var chartText []byte

type chartLine struct {
	Gravity string `yaml:"gravity"`
	Who     string `yaml:"who"`
	What    Text   `yaml:"what"`
	Mend    Text   `yaml:"mend"`
}

type diagnoses map[string]chartLine

var chart = sync.OnceValue(func() diagnoses {
	var d diagnoses
	if err := yaml.UnmarshalWithOptions(chartText, &d, yaml.Strict()); err != nil {
		panic("declare: doctor.yaml: " + err.Error())
	}
	return d
})

// complete fills in what the chart knows of a finding. What it does not know
// is grave until somebody has thought about it.
func (d diagnoses) complete(f *Finding) {
	line, known := d[f.Code]
	if !known {
		line = chartLine{Gravity: "inconsistent", Who: WhoOperator, What: Text{English: f.Code}}
	}
	f.Gravity, f.Who, f.What, f.Mend = line.Gravity, line.Who, line.What, line.Mend
}

// word puts a finding's own values into its texts, once they are known.
func (f *Finding) word() {
	for _, text := range []*string{&f.What.English, &f.What.Chinese, &f.Mend.English, &f.Mend.Chinese} {
		count, next := strconv.Itoa(f.Count), "-"
		if f.More {
			count += "+"
		}
		if f.Next != nil {
			next = f.Next.UTC().Format(time.RFC3339)
		}
		*text = strings.NewReplacer("{agency}", f.Agency, "{count}", count, "{reason}", f.Reason, "{next}", next).Replace(*text)
	}
}
