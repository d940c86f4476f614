package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"singlewindow/declare"
	"singlewindow/declare/clearance"
)

func (a *api) registerStatistics() {
	handle(a, a.operation(route{
		id: "get-clearance-times", method: http.MethodGet, path: "/v1/statistics/clearance-times", tag: "Statistics",
		summary: "How long each stage of your declarations took, and whose time it was",
		description: "Of your own declarations, from their events: stages that ended in the period, each with how often, median and 90th percentile, for the whole declaration and for each agency. " +
			"Every moment from acceptance to release is one stage's: delivery (the gateway's), task (an operator's), acceptance, review, inspection, suspension, cancellation (the agency's), documents, payment (yours). " +
			"total is the time from acceptance to release. Both percentiles are times that occurred: the least that half, or nine of ten, did not exceed. Events are counted in within seconds.",
		security: tenantKey,
	}), a.clearanceTimes)
}

type clearanceInput struct {
	Caller
	Agency  string `query:"agency" maxLength:"63" doc:"Only this agency's own track, by its name in /v1/agencies"`
	Kind    string `query:"kind" maxLength:"63" doc:"Only declarations of this kind" example:"goods"`
	Port    string `query:"port" maxLength:"17" doc:"Only declarations of goods that pass this port or office" example:"3712"`
	Chapter string `query:"chapter" pattern:"^[0-9]{2}$" doc:"Only declarations with goods of this chapter of the harmonized system" example:"09"`
	From    string `query:"from" format:"date" doc:"The first day of the period, in UTC; 29 days before the last when not said" example:"2026-03-01"`
	To      string `query:"to" format:"date" doc:"The last day of the period, in UTC; today when not said" example:"2026-03-31"`
	Every   string `query:"every" enum:"day,week" doc:"Also what each day, or each week from Monday, gave"`
	By      string `query:"by" enum:"kind,port,chapter" doc:"Figures for each kind, port or chapter; a declaration of several chapters counts in each. Not together with every"`
}

// ClearanceTimes is the answer to a question about clearance times.
type ClearanceTimes struct {
	From   string           `json:"from" format:"date" doc:"The first day of the period"`
	To     string           `json:"to" format:"date" doc:"The last"`
	Stages []ClearanceStage `json:"stages" doc:"Of the whole declaration first, then of each agency; those that nothing went through are left out"`
}

// ClearanceStage is what one stage took.
type ClearanceStage struct {
	Agency string `json:"agency,omitempty" doc:"On whose track; absent: the declaration as a whole"`
	Stage  string `json:"stage" enum:"total,delivery,task,acceptance,review,documents,payment,inspection,suspension,cancellation"`
	Who    string `json:"who,omitempty" enum:"trader,gateway,agency,operator" doc:"Whose time it was; absent for the total"`
	Of     string `json:"of,omitempty" doc:"With by: the kind, port or chapter"`
	ClearanceFigures
	Trend []ClearancePoint `json:"trend,omitempty" doc:"With every: oldest first; days or weeks in which none ended are left out"`
}

// ClearanceFigures are exact.
type ClearanceFigures struct {
	Count              int64 `json:"count" doc:"How often the stage was gone through"`
	MedianMilliseconds int64 `json:"medianMilliseconds"`
	P90Milliseconds    int64 `json:"p90Milliseconds"`
}

// ClearancePoint is one day, or one week.
type ClearancePoint struct {
	From string `json:"from" format:"date" doc:"The day, or the week's Monday"`
	ClearanceFigures
}

type clearanceOutput struct{ Body ClearanceTimes }

func (a *api) clearanceTimes(ctx context.Context, in *clearanceInput) (*clearanceOutput, error) {
	period, err := a.clearance.Period(in.From, in.To)
	if errors.Is(err, clearance.ErrPeriod) {
		return nil, &failure{code: codeParameterInvalid, faults: []declare.Fault{{Code: string(codeParameterInvalid), Pointer: "/query/from"}}}
	}
	if err != nil {
		return nil, err
	}
	if in.Every != "" && in.By != "" {
		return nil, &failure{code: codeParameterInvalid, faults: []declare.Fault{{Code: string(codeParameterInvalid), Pointer: "/query/by"}}}
	}
	out := &clearanceOutput{ClearanceTimes{From: period.First.Format(time.DateOnly), To: period.Last.Format(time.DateOnly), Stages: []ClearanceStage{}}}
	if !legible(in.Agency) || !legible(in.Kind) || !legible(in.Port) {
		return out, nil // nothing is called so
	}
	tenant := in.request.tenant
	stages, err := a.clearance.Ask(ctx, declare.TenantScope(tenant), clearance.Question{
		Tenant: tenant, Agency: in.Agency, Kind: in.Kind, Port: in.Port, Chapter: in.Chapter, Period: period, Every: in.Every, By: in.By,
	})
	for _, stage := range stages {
		out.Body.Stages = append(out.Body.Stages, clearanceStage(stage))
	}
	return out, err
}

func clearanceStage(s clearance.Times) ClearanceStage {
	view := ClearanceStage{Agency: s.Agency, Stage: s.Stage, Who: s.Who, Of: s.Of, ClearanceFigures: ClearanceFigures(s.Figures)}
	for _, point := range s.Course {
		view.Trend = append(view.Trend, ClearancePoint{point.Day.Format(time.DateOnly), ClearanceFigures(point.Figures)})
	}
	return view
}
