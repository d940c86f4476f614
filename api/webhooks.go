package api

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"singlewindow/declare"
	"singlewindow/declare/account"
	"singlewindow/declare/event"
	"singlewindow/declare/webhook"
)

const (
	mostWebhookBytes   = 16 << 10
	webhookReadTimeout = 10 * time.Second
)

var (
	webhookID = regexp.MustCompile(`^whk_[0-9A-HJKMNP-TV-Z]{26}$`)
	eventID   = regexp.MustCompile(`^evt_[0-9A-HJKMNP-TV-Z]{26}$`)
)

func (a *api) registerWebhooks() {
	missing := []problemCode{codeResourceMissing}
	creates := []problemCode{codeIdempotencyMissing, codeIdempotencyInvalid, codeKeyReused}
	takes := []problemCode{codeJSONInvalid, codeWebhookTooLarge, codeWebhookRefused, codeBodyUnsupported, codeBodyMissing, codeBodyIncomplete, codeBodyTimeout}

	handle(a, a.takesWebhook(a.operation(route{
		id: "create-webhook", method: http.MethodPost, path: "/v1/webhooks", status: http.StatusCreated, tag: "Webhooks",
		summary: "Have events sent to an address",
		description: "What happens from now on is sent there, signed as Standard Webhooks 1.0 has it. secret is told in this answer and never again; asked again with the same key and body, the answer is the same and carries Idempotent-Replayed: true. " +
			"The address must be on the public internet and use https, unless an operator has allowed it.",
		security: tenantKey, scope: account.ManageWebhooks, problems: slices.Concat(creates, takes, []problemCode{codeWebhookTooMany}),
	})), a.createWebhook)
	handle(a, a.operation(route{
		id: "list-webhooks", method: http.MethodGet, path: "/v1/webhooks", tag: "Webhooks",
		summary: "The webhooks", description: "All of them, the oldest first.", security: tenantKey, scope: account.ManageWebhooks,
	}), a.listWebhooks)
	handle(a, a.operation(route{
		id: "get-webhook", method: http.MethodGet, path: "/v1/webhooks/{id}", tag: "Webhooks",
		summary: "A webhook", security: tenantKey, scope: account.ManageWebhooks, problems: missing,
		description: "on: it is sent to. paused: you stopped it. parked: nothing arrived for as long as the schedule goes, more than three days. gone: it answered 410. Events wait while it is not on, and none is lost; set state to on to go on.",
	}), a.getWebhook)
	handle(a, a.takesWebhook(a.operation(route{
		id: "change-webhook", method: http.MethodPatch, path: "/v1/webhooks/{id}", tag: "Webhooks",
		summary: "Change a webhook", description: "What is left out stays. State can be set to on or paused.",
		security: tenantKey, scope: account.ManageWebhooks, problems: slices.Concat(takes, missing),
	})), a.changeWebhook)
	handle(a, a.operation(route{
		id: "delete-webhook", method: http.MethodDelete, path: "/v1/webhooks/{id}", status: http.StatusNoContent, tag: "Webhooks",
		summary: "Delete a webhook", description: "Nothing is sent there any more, and its secrets end.", security: tenantKey, scope: account.ManageWebhooks, problems: missing,
	}), a.deleteWebhook)
	handle(a, a.operation(route{
		id: "rotate-webhook-secret", method: http.MethodPost, path: "/v1/webhooks/{id}/secrets", status: http.StatusCreated, tag: "Webhooks",
		summary: "Give a webhook a new secret", description: "secret is told in this answer and never again. For 24 hours the one before signs too: webhook-signature then holds two signatures, and one that verifies is enough.",
		security: tenantKey, scope: account.ManageWebhooks, problems: slices.Concat(creates, missing),
	}), a.rotateWebhook)
	a.registerDeliveries(creates, takes, missing)
}

func (a *api) registerDeliveries(creates, takes, missing []problemCode) {
	handle(a, a.operation(route{
		id: "test-webhook", method: http.MethodPost, path: "/v1/webhooks/{id}/test", status: http.StatusAccepted, tag: "Webhooks",
		summary: "Send a test event", description: "An event of type webhook.test that stands in no feed and is about no declaration. Ask for the deliveries to see how it went.",
		security: tenantKey, scope: account.ManageWebhooks, problems: slices.Concat(creates, missing, []problemCode{codeWebhookOff}),
	}), a.testWebhook)
	handle(a, a.operation(route{
		id: "list-webhook-deliveries", method: http.MethodGet, path: "/v1/webhooks/{id}/deliveries", tag: "Webhooks",
		summary: "What was sent to a webhook",
		description: "The latest event first. waiting: an earlier event of the same declaration goes first. pending: it is sent at nextAt. delivered: the answer was one of 2xx. parked: it was given up after the last attempt, and can be sent again. " +
			"reason of the last attempt: status, redirect (not followed), gone (410), timeout, unreachable, tls, forbidden (the address is not allowed), broken, unsigned, lapsed or stopped (the gateway ended meanwhile), deleted.",
		security: tenantKey, scope: account.ManageWebhooks, problems: missing,
	}), a.listDeliveries)
	handle(a, a.operation(route{
		id: "resend-webhook-delivery", method: http.MethodPost, path: "/v1/webhooks/{id}/deliveries/{event}/resend", status: http.StatusAccepted, tag: "Webhooks",
		summary: "Send one event again", description: "With all its attempts, in its declaration's order; one that is still to come goes now. Its webhook-id stays the same.",
		security: tenantKey, scope: account.ManageWebhooks, problems: missing,
	}), a.resendDelivery)
	handle(a, a.takesWebhook(a.operation(route{
		id: "resend-webhook-deliveries", method: http.MethodPost, path: "/v1/webhooks/{id}/resend", status: http.StatusAccepted, tag: "Webhooks",
		summary:     "Send the events of a time again",
		description: "Everything delivered or parked of events from one moment to before another, the oldest first, at most 5,000: go on from next when there is one.",
		security:    tenantKey, scope: account.ManageWebhooks, problems: slices.Concat(takes, missing),
	})), a.resendDeliveries)
}

// takesWebhook sets what holds for bodies about webhooks: our own code reads
// them.
func (a *api) takesWebhook(operation huma.Operation) huma.Operation {
	operation.MaxBodyBytes, operation.BodyReadTimeout, operation.SkipValidateBody = mostWebhookBytes+1, webhookReadTimeout, true
	operation.Metadata = map[string]any{metadataTooLarge: string(codeWebhookTooLarge)}
	operation.Middlewares = append(operation.Middlewares, a.takes("application/json"))
	return operation
}

// documentWebhooks tells what huma cannot know: bodies and a header that our
// own code reads.
func (a *api) documentWebhooks(document *huma.OpenAPI) error {
	for _, taken := range []struct {
		operation *huma.Operation
		form      reflect.Type
		example   string
	}{
		{document.Paths["/v1/webhooks"].Post, reflect.TypeFor[WebhookWanted](), "create-webhook.request.json"},
		{document.Paths["/v1/webhooks/{id}"].Patch, reflect.TypeFor[WebhookChange](), "change-webhook.request.json"},
		{document.Paths["/v1/webhooks/{id}/resend"].Post, reflect.TypeFor[WebhookRange](), "resend-webhook-deliveries.request.json"},
	} {
		example, err := examples.ReadFile("examples/" + taken.example)
		if err != nil {
			return err
		}
		schema := document.Components.Schemas.Schema(taken.form, true, taken.form.Name())
		taken.operation.RequestBody.Content = map[string]*huma.MediaType{"application/json": {Schema: schema, Example: json.RawMessage(example)}}
	}
	return nil
}

// WebhookWanted is what somebody wants of a new webhook.
type WebhookWanted struct {
	URL         string   `json:"url" maxLength:"2000" doc:"https, on the public internet, port 443 or one above 1023; no user name and no fragment"`
	Description string   `json:"description,omitempty" maxLength:"200" doc:"For yourself"`
	EventTypes  []string `json:"eventTypes,omitempty" doc:"Only events of these types; without them, all"`
	State       string   `json:"state,omitempty" enum:"on,paused" doc:"on when left out"`
}

// WebhookChange is a change of a webhook.
type WebhookChange struct {
	URL         string   `json:"url,omitempty" maxLength:"2000"`
	Description string   `json:"description,omitempty" maxLength:"200"`
	EventTypes  []string `json:"eventTypes,omitempty" doc:"Empty: all"`
	State       string   `json:"state,omitempty" enum:"on,paused"`
}

// WebhookRange is a time of events.
type WebhookRange struct {
	From time.Time `json:"from" doc:"Of events at this moment or later"`
	To   time.Time `json:"to,omitempty" doc:"Of events before this moment; for ever when left out"`
}

// WebhookView is a webhook.
type WebhookView struct {
	ID              string              `json:"id"`
	URL             string              `json:"url"`
	Description     string              `json:"description,omitempty"`
	EventTypes      []string            `json:"eventTypes" doc:"Empty: all"`
	State           string              `json:"state" enum:"on,paused,parked,gone"`
	Since           time.Time           `json:"since" doc:"When it came into this state"`
	CreatedAt       time.Time           `json:"createdAt"`
	LastDeliveredAt *time.Time          `json:"lastDeliveredAt,omitempty" doc:"When something last arrived there"`
	Secrets         []WebhookSecretView `json:"secrets" doc:"The secrets that sign, the newest first, without themselves"`
}

// WebhookSecretView is a secret, without itself.
type WebhookSecretView struct {
	CreatedAt time.Time  `json:"createdAt"`
	ExpiresAt *time.Time `json:"expiresAt,omitempty" doc:"When it ends: a newer one has taken its place"`
}

// MadeWebhook is a webhook with its newest secret.
type MadeWebhook struct {
	WebhookView
	Secret string `json:"secret" doc:"whsec_ and 32 bytes in base64; it is not told again"`
}

// DeliveryView is one event to one webhook.
type DeliveryView struct {
	EventID       string     `json:"eventId" doc:"Sent as webhook-id: how you know a copy"`
	DeclarationID string     `json:"declarationId,omitempty" doc:"Absent: a test event"`
	Number        int        `json:"number,omitempty" doc:"Of the event in its declaration"`
	Type          string     `json:"type"`
	At            time.Time  `json:"at" doc:"When the event happened"`
	State         string     `json:"state" enum:"waiting,pending,sending,delivered,parked"`
	Attempts      int        `json:"attempts" doc:"Since it was first sent, or last sent again by you"`
	LastAttemptAt *time.Time `json:"lastAttemptAt,omitempty"`
	Status        int        `json:"status,omitempty" doc:"HTTP status of the last attempt; absent: there was no answer"`
	Reason        string     `json:"reason,omitempty" doc:"Why the last attempt did not arrive"`
	DurationMS    int64      `json:"durationMs" doc:"Of the last attempt, in milliseconds"`
	NextAt        *time.Time `json:"nextAt,omitempty" doc:"While it is pending: when it is sent"`
}

func viewOfWebhook(e webhook.Endpoint) WebhookView {
	view := WebhookView{
		ID: e.ID, URL: e.URL, Description: e.Description, EventTypes: append([]string{}, e.EventTypes...), State: string(e.State),
		Since: e.Since, CreatedAt: e.CreatedAt, LastDeliveredAt: e.DeliveredAt, Secrets: []WebhookSecretView{},
	}
	for _, secret := range e.Secrets {
		view.Secrets = append(view.Secrets, WebhookSecretView(secret))
	}
	return view
}

func viewOfDelivery(d webhook.Delivery) DeliveryView {
	return DeliveryView{
		EventID: d.EventID, DeclarationID: d.DeclarationID, Number: d.Number, Type: d.Type, At: d.EventAt, State: d.State, Attempts: d.Attempts,
		LastAttemptAt: d.TriedAt, Status: d.Status, Reason: d.Reason, DurationMS: d.Took.Milliseconds(), NextAt: d.NextAt,
	}
}

// WebhookBody is what is sent of an event: the event as the feed has it, in the
// envelope that Standard Webhooks recommends.
func WebhookBody(e event.Entry) ([]byte, error) {
	return json.Marshal(struct {
		Type      string    `json:"type"`
		Timestamp time.Time `json:"timestamp"`
		Data      FeedEvent `json:"data"`
	}{e.Type, e.At, told(e)})
}

// asked identifies a request that creates: by its key, and by all it says.
func (o Once) asked(r *request, body []byte) (webhook.Asked, error) {
	if err := o.judge(); err != nil {
		return webhook.Asked{}, err
	}
	at := r.URL()
	return webhook.Asked{Tenant: r.tenant, Key: o.Key, Digest: sha256.Sum256(fmt.Appendf(nil, "%s %s\n%s", r.Method(), at.Path, body))}, nil
}

// replayed is the header of an answer given before.
func replayed(is bool) string {
	if is {
		return "true"
	}
	return ""
}

// webhookFailure tells what an error about webhooks amounts to.
func webhookFailure(err error) error {
	var refused *webhook.Refused
	switch {
	case errors.As(err, &refused):
		return &failure{code: codeWebhookRefused, faults: refused.Faults}
	case errors.Is(err, webhook.ErrTooMany):
		return &failure{code: codeWebhookTooMany}
	case errors.Is(err, webhook.ErrOff):
		return &failure{code: codeWebhookOff}
	}
	return err
}

// members reads a body that is an object with these members and no others.
func members(body []byte, known ...string) (map[string]any, error) {
	value, faults := declare.ParseJSON(body, mostWebhookBytes)
	if len(faults) > 0 {
		return nil, &failure{code: codeJSONInvalid, faults: faults}
	}
	tree, ok := value.(map[string]any)
	if !ok {
		return nil, refusedMember("", declare.Text{English: "An object is wanted.", Chinese: "须为一个对象。"})
	}
	unknown := &webhook.Refused{}
	for name := range tree {
		if !slices.Contains(known, name) {
			unknown.Faults = append(unknown.Faults, declare.Fault{Code: webhook.CodeRefused, Pointer: "/" + escapePointer(name), Text: declare.Text{English: "There is no such member.", Chinese: "没有此成员。"}})
		}
	}
	if len(unknown.Faults) > 0 {
		return nil, webhookFailure(unknown)
	}
	return tree, nil
}

func refusedMember(pointer string, text declare.Text) error {
	return &failure{code: codeWebhookRefused, faults: []declare.Fault{{Code: webhook.CodeRefused, Pointer: pointer, Text: text}}}
}

var textWanted = declare.Text{English: "A text is wanted.", Chinese: "须为文本。"}

// textOf reads a member that is a text; nil when it is left out.
func textOf(tree map[string]any, name string) (*string, error) {
	value, given := tree[name]
	if !given {
		return nil, nil
	}
	text, ok := value.(string)
	if !ok {
		return nil, refusedMember("/"+name, textWanted)
	}
	return &text, nil
}

// wantedOf reads what is wanted of a webhook.
func wantedOf(body []byte) (wanted webhook.Wanted, err error) {
	tree, err := members(body, "url", "description", "eventTypes", "state")
	if err != nil {
		return wanted, err
	}
	var state *string
	for name, into := range map[string]**string{"url": &wanted.URL, "description": &wanted.Description, "state": &state} {
		if *into, err = textOf(tree, name); err != nil {
			return wanted, err
		}
	}
	if state != nil {
		wanted.State = (*webhook.State)(state)
	}
	if value, given := tree["eventTypes"]; given {
		wanted.EventTypes, err = typesOf(value)
	}
	return wanted, err
}

func typesOf(value any) (*[]string, error) {
	list, ok := value.([]any)
	types := []string{}
	for _, entry := range list {
		name, isText := entry.(string)
		ok = ok && isText
		types = append(types, name)
	}
	if !ok {
		return nil, refusedMember("/eventTypes", declare.Text{English: "A list of texts is wanted.", Chinese: "须为文本列表。"})
	}
	return &types, nil
}

type createWebhookInput struct {
	Caller
	Once
	RawBody []byte `contentType:"application/json"`
}

type madeWebhookOutput struct {
	Location string `header:"Location" doc:"Where the webhook is found"`
	Replayed string `header:"Idempotent-Replayed" doc:"true: this is the answer to an earlier request under this key"`
	Body     MadeWebhook
}

func madeWebhook(made webhook.Made, again bool, err error) (*madeWebhookOutput, error) {
	if err != nil {
		return nil, webhookFailure(err)
	}
	return &madeWebhookOutput{"/v1/webhooks/" + made.Endpoint.ID, replayed(again), MadeWebhook{viewOfWebhook(made.Endpoint), made.Secret}}, nil
}

func (a *api) createWebhook(ctx context.Context, in *createWebhookInput) (*madeWebhookOutput, error) {
	asked, err := in.asked(in.request, in.RawBody)
	if err != nil {
		return nil, err
	}
	wanted, err := wantedOf(in.RawBody)
	if err != nil {
		return nil, err
	}
	return madeWebhook(a.webhooks.Create(ctx, asked, wanted))
}

type webhooksInput struct{ Caller }

type webhooksOutput struct {
	Body struct {
		Webhooks []WebhookView `json:"webhooks"`
	}
}

func (a *api) listWebhooks(ctx context.Context, in *webhooksInput) (*webhooksOutput, error) {
	found, err := a.webhooks.List(ctx, in.request.tenant)
	out := &webhooksOutput{}
	out.Body.Webhooks = []WebhookView{}
	for _, one := range found {
		out.Body.Webhooks = append(out.Body.Webhooks, viewOfWebhook(one))
	}
	return out, err
}

// WebhookID is part of the input of everything about one webhook.
type WebhookID struct {
	ID string `path:"id" doc:"The webhook's id" example:"whk_01KDTP3X8Q0000000000000001"`
}

// known spares the database what can be nobody's.
func (w WebhookID) known() error {
	if !webhookID.MatchString(w.ID) {
		return declare.ErrMissing
	}
	return nil
}

type webhookInput struct {
	Caller
	WebhookID
}

type webhookOutput struct{ Body WebhookView }

func (a *api) getWebhook(ctx context.Context, in *webhookInput) (*webhookOutput, error) {
	if err := in.known(); err != nil {
		return nil, err
	}
	found, err := a.webhooks.Get(ctx, in.request.tenant, in.ID)
	if err != nil {
		return nil, err
	}
	return &webhookOutput{viewOfWebhook(found)}, nil
}

type changeWebhookInput struct {
	Caller
	WebhookID
	RawBody []byte `contentType:"application/json"`
}

func (a *api) changeWebhook(ctx context.Context, in *changeWebhookInput) (*webhookOutput, error) {
	if err := in.known(); err != nil {
		return nil, err
	}
	if _, err := a.webhooks.Get(ctx, in.request.tenant, in.ID); err != nil { // before a word about the body
		return nil, err
	}
	wanted, err := wantedOf(in.RawBody)
	if err != nil {
		return nil, err
	}
	changed, err := a.webhooks.Change(ctx, in.request.tenant, in.ID, wanted)
	if err != nil {
		return nil, webhookFailure(err)
	}
	return &webhookOutput{viewOfWebhook(changed)}, nil
}

func (a *api) deleteWebhook(ctx context.Context, in *webhookInput) (*struct{}, error) {
	if err := in.known(); err != nil {
		return nil, err
	}
	return nil, a.webhooks.Delete(ctx, in.request.tenant, in.ID)
}

type creatingWebhookInput struct {
	Caller
	WebhookID
	Once
}

func (a *api) rotateWebhook(ctx context.Context, in *creatingWebhookInput) (*madeWebhookOutput, error) {
	asked, err := in.asked(in.request, nil)
	if err == nil {
		err = in.known()
	}
	if err != nil {
		return nil, err
	}
	return madeWebhook(a.webhooks.Rotate(ctx, asked, in.ID))
}

type deliveryOutput struct {
	Replayed string `header:"Idempotent-Replayed" doc:"true: this is the answer to an earlier request under this key"`
	Body     DeliveryView
}

func (a *api) testWebhook(ctx context.Context, in *creatingWebhookInput) (*deliveryOutput, error) {
	asked, err := in.asked(in.request, nil)
	if err == nil {
		err = in.known()
	}
	if err != nil {
		return nil, err
	}
	sent, again, err := a.webhooks.Test(ctx, asked, in.ID)
	if err != nil {
		return nil, webhookFailure(err)
	}
	return &deliveryOutput{replayed(again), viewOfDelivery(sent)}, nil
}

type deliveriesInput struct {
	Caller
	WebhookID
	State string `query:"state" enum:"waiting,pending,sending,delivered,parked" doc:"Only those in this state"`
	After string `query:"after" maxLength:"30" doc:"The event of the last one of the page before" example:"evt_01KDTP3X8Q0000000000000001"`
	Limit int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"At most so many"`
}

type deliveriesOutput struct {
	Body struct {
		Deliveries []DeliveryView `json:"deliveries"`
	}
}

func (a *api) listDeliveries(ctx context.Context, in *deliveriesInput) (*deliveriesOutput, error) {
	if err := in.known(); err != nil {
		return nil, err
	}
	if in.After != "" && !eventID.MatchString(in.After) {
		in.After = "evt_" // nothing stands behind what is none
	}
	found, err := a.webhooks.Deliveries(ctx, in.request.tenant, in.ID, in.State, in.After, in.Limit)
	out := &deliveriesOutput{}
	out.Body.Deliveries = []DeliveryView{}
	for _, one := range found {
		out.Body.Deliveries = append(out.Body.Deliveries, viewOfDelivery(one))
	}
	return out, err
}

type resendInput struct {
	Caller
	WebhookID
	Event string `path:"event" doc:"The event's id" example:"evt_01KDTP3X8Q0000000000000001"`
}

type resentOutput struct{ Body DeliveryView }

func (a *api) resendDelivery(ctx context.Context, in *resendInput) (*resentOutput, error) {
	if err := in.known(); err != nil || !eventID.MatchString(in.Event) {
		return nil, declare.ErrMissing
	}
	sent, err := a.webhooks.Resend(ctx, in.request.tenant, in.ID, in.Event)
	if err != nil {
		return nil, err
	}
	return &resentOutput{viewOfDelivery(sent)}, nil
}

type resendRangeInput struct {
	Caller
	WebhookID
	RawBody []byte `contentType:"application/json"`
}

type resendRangeOutput struct {
	Body struct {
		Resent int        `json:"resent" doc:"How many are sent again"`
		Next   *time.Time `json:"next,omitempty" doc:"Ask again with from set to this; absent: that was all"`
	}
}

func (a *api) resendDeliveries(ctx context.Context, in *resendRangeInput) (*resendRangeOutput, error) {
	if err := in.known(); err != nil {
		return nil, err
	}
	if _, err := a.webhooks.Get(ctx, in.request.tenant, in.ID); err != nil { // before a word about the body
		return nil, err
	}
	from, to, err := rangeOf(in.RawBody)
	if err != nil {
		return nil, err
	}
	out := &resendRangeOutput{}
	resent, next, err := a.webhooks.ResendRange(ctx, in.request.tenant, in.ID, from, to)
	if out.Body.Resent = resent; !next.IsZero() {
		out.Body.Next = &next
	}
	return out, err
}

// rangeOf reads a time of events; without an end it goes on for ever.
func rangeOf(body []byte) (from, to time.Time, err error) {
	tree, err := members(body, "from", "to")
	if err != nil {
		return from, to, err
	}
	if from, err = momentOf(tree, "from"); err != nil {
		return from, to, err
	}
	if _, given := tree["to"]; !given {
		return from, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), nil
	}
	to, err = momentOf(tree, "to")
	return from, to, err
}

func momentOf(tree map[string]any, name string) (time.Time, error) {
	text, _ := tree[name].(string) // what is none is no moment
	at, err := time.Parse(time.RFC3339, text)
	if err != nil || at.Year() < 2000 || at.Year() > 9999 {
		return at, refusedMember("/"+name, declare.Text{English: "A moment such as 2026-03-02T02:03:04Z is wanted.", Chinese: "须为时刻，例如 2026-03-02T02:03:04Z。"})
	}
	return at, nil
}
