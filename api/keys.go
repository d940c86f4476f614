package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"singlewindow/declare"
	"singlewindow/declare/account"
)

// What an order for a key may take.
const (
	mostKeyBytes   = 16 << 10
	keyReadTimeout = 10 * time.Second
)

// usualGrace is how long a key is good after it was replaced, when nobody says.
const usualGrace = 24 * time.Hour

const keysText = "A key that ends, by revocation, expiry or the end of its grace, is refused at the latest five seconds later. No key is ever deleted. "

func (a *api) registerKeys() {
	handle(a, a.operation(route{
		id: "list-keys", method: http.MethodGet, path: "/v1/keys", tag: "Keys",
		summary: "Your API keys", description: "The latest first, those that are not good any more among them, never their secrets. lastUsedAt is exact to the minute. " + keysText,
		security: tenantKey, scope: account.ManageKeys,
	}), a.listKeys)

	create := a.operation(route{
		id: "create-key", method: http.MethodPost, path: "/v1/keys", status: http.StatusCreated, tag: "Keys",
		summary: "Make an API key",
		description: "The secret stands in this answer and nowhere else. A key cannot give scopes it does not have; without scopes the new key has those of the one that makes it. " +
			"At most two keys of one name are live at a time. " + onceText + scopesText(),
		security: tenantKey, scope: account.ManageKeys,
		problems: []problemCode{codeIdempotencyMissing, codeIdempotencyInvalid, codeKeyReused, codeKeysTooMany},
	})
	a.takesOrder(&create)
	handle(a, create, a.createKey)

	rotate := a.operation(route{
		id: "rotate-key", method: http.MethodPost, path: "/v1/keys/{id}/rotate", status: http.StatusCreated, tag: "Keys",
		summary: "Replace an API key",
		description: "Makes a key of the same name, scopes and length of life; the old one is good for the time in grace longer, so that the new one can be brought where it is used. " +
			"Whoever asks must have every scope of the key. " + onceText + keysText,
		security: tenantKey, scope: account.ManageKeys,
		problems: []problemCode{codeIdempotencyMissing, codeIdempotencyInvalid, codeKeyReused, codeKeysTooMany, codeKeyEnded, codeResourceMissing},
	})
	a.takesOrder(&rotate)
	handle(a, rotate, a.rotateKey)

	handle(a, a.operation(route{
		id: "revoke-key", method: http.MethodDelete, path: "/v1/keys/{id}", status: http.StatusNoContent, tag: "Keys",
		summary: "Revoke an API key", description: "For good; once more does nothing. A key may revoke itself. " + keysText,
		security: tenantKey, scope: account.ManageKeys, problems: []problemCode{codeResourceMissing},
	}), a.revokeKey)
}

const onceText = "Asked again with the same Idempotency-Key and body, the answer is about the same key, carries Idempotent-Replayed: true and no secret: that was shown once. "

// scopesText documents every scope there is.
func scopesText() string {
	text := "Scopes:\n"
	for _, scope := range account.ScopeList {
		text += "\n- `" + scope.Name + "`: " + scope.Means.English
	}
	return text
}

// takesOrder sets what holds for bodies that huma reads.
func (a *api) takesOrder(operation *huma.Operation) {
	operation.MaxBodyBytes, operation.BodyReadTimeout = mostKeyBytes+1, keyReadTimeout
	operation.Metadata = map[string]any{metadataTooLarge: string(codeBodyTooLarge)}
	operation.Middlewares = append(operation.Middlewares, a.takes("application/json"))
	a.documentProblems(operation, []problemCode{codeBodyTooLarge, codeJSONInvalid, codeBodyUnsupported, codeBodyMissing, codeBodyIncomplete, codeBodyTimeout})
}

// documentOrders gives the bodies that huma reads their examples.
func documentOrders(document *huma.OpenAPI) error {
	for _, operation := range operationsOf(document) {
		if operation.RequestBody == nil || operation.Metadata[metadataTooLarge] != string(codeBodyTooLarge) {
			continue
		}
		body, err := examples.ReadFile("examples/" + operation.OperationID + ".request.json")
		if err != nil {
			return err
		}
		operation.RequestBody.Content["application/json"].Example = json.RawMessage(body)
	}
	return nil
}

// KeyView is a key without its secret.
type KeyView struct {
	ID         string     `json:"id"`
	Name       string     `json:"name" doc:"What it is for"`
	Scopes     []string   `json:"scopes" doc:"What it may do"`
	Live       bool       `json:"live" doc:"It is good now"`
	Replaces   string     `json:"replaces,omitempty" doc:"The key it was made to follow"`
	CreatedAt  time.Time  `json:"createdAt"`
	ExpiresAt  *time.Time `json:"expiresAt,omitempty"`
	RevokedAt  *time.Time `json:"revokedAt,omitempty"`
	LastUsedAt *time.Time `json:"lastUsedAt,omitempty" doc:"Exact to the minute"`
}

// NewKeyView is a key as it is told of once.
type NewKeyView struct {
	KeyView
	Secret string `json:"secret,omitempty" doc:"Send it as Authorization: Bearer. Only in the first answer; absent when this is a replay"`
}

func (a *api) viewOfKey(key account.Key) KeyView {
	return KeyView{
		ID: key.ID, Name: key.Name, Scopes: key.Scopes.Names(), Live: a.accounts.Live(key), Replaces: key.Replaces,
		CreatedAt: key.CreatedAt, ExpiresAt: given(key.ExpiresAt), RevokedAt: given(key.RevokedAt), LastUsedAt: given(key.LastUsedAt),
	}
}

// given is a time that may be none.
func given(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	return &at
}

type keysInput struct{ Caller }

type keysOutput struct {
	Body struct {
		Keys []KeyView `json:"keys"`
	}
}

func (a *api) listKeys(ctx context.Context, in *keysInput) (*keysOutput, error) {
	keys, err := a.accounts.Keys(ctx, in.request.tenant)
	if err != nil {
		return nil, err
	}
	out := &keysOutput{}
	out.Body.Keys = []KeyView{}
	for _, key := range keys {
		out.Body.Keys = append(out.Body.Keys, a.viewOfKey(key))
	}
	return out, nil
}

type createKeyInput struct {
	Caller
	Once
	Body struct {
		Name      string     `json:"name" minLength:"1" maxLength:"200" doc:"What it is for"`
		Scopes    []string   `json:"scopes,omitempty" maxItems:"50" doc:"What it may do; without it, what the key may do that makes it"`
		ExpiresAt *time.Time `json:"expiresAt,omitempty" doc:"When it ends by itself; without it, never"`
	}
}

// latestYear is the last that RFC 3339 can write.
const latestYear = 9999

type newKeyOutput struct {
	Location string `header:"Location" doc:"Where it is revoked"`
	Replayed string `header:"Idempotent-Replayed" doc:"true: this key was made by an earlier request under this Idempotency-Key; its secret was shown then"`
	Body     NewKeyView
}

func (a *api) createKey(ctx context.Context, in *createKeyInput) (*newKeyOutput, error) {
	if err := in.judge(); err != nil {
		return nil, err
	}
	order := account.KeyOrder{Name: in.Body.Name, Scopes: in.Body.Scopes, Request: in.Key}
	if in.Body.Scopes == nil {
		order.Scopes = in.request.scopes.Names()
	}
	var wrong []string
	wanted, known := account.ParseScopes(order.Scopes)
	if !known {
		wrong = append(wrong, "/body/scopes")
	}
	if in.Body.ExpiresAt != nil {
		order.Expires = in.Body.ExpiresAt.UTC().Truncate(time.Millisecond)
		if order.Expires.IsZero() || order.Expires.Year() > latestYear { // the zero time would be none
			wrong = append(wrong, "/body/expiresAt")
		}
	}
	if len(wrong) > 0 {
		return nil, misplaced(wrong...)
	}
	if lacking := in.request.scopes.Lacks(wanted); lacking != 0 {
		return nil, &missingScope{lacking}
	}
	key, err := a.accounts.MakeKey(ctx, in.request.tenant, order)
	if errors.Is(err, account.ErrKeyEnded) {
		return nil, misplaced("/body/expiresAt")
	}
	return a.newKey(key, err)
}

type rotateKeyInput struct {
	Caller
	Once
	ID   string `path:"id" doc:"The key's id" example:"key_01KDTP3X8Q0000000000000001"`
	Body struct {
		Grace string `json:"grace,omitempty" maxLength:"40" doc:"How long the old key is good yet, as ISO 8601 has it, at most P30D; without it P1D" example:"PT2H"`
	}
}

func (a *api) rotateKey(ctx context.Context, in *rotateKeyInput) (*newKeyOutput, error) {
	if err := in.judge(); err != nil {
		return nil, err
	}
	grace := usualGrace
	if in.Body.Grace != "" {
		var ok bool
		if grace, ok = parseDuration(in.Body.Grace, account.LongestGrace); !ok {
			return nil, misplaced("/body/grace")
		}
	}
	return a.newKey(a.accounts.RotateKey(ctx, in.request.tenant, in.ID, grace, in.Key, func(old account.Key) error {
		if lacking := in.request.scopes.Lacks(old.Scopes); lacking != 0 {
			return &missingScope{lacking}
		}
		return nil
	}))
}

// newKey answers about a key that was made, or tells why it was not.
func (a *api) newKey(key account.Key, err error) (*newKeyOutput, error) {
	switch {
	case errors.Is(err, account.ErrBadName):
		return nil, misplaced("/body/name")
	case errors.Is(err, account.ErrTwoKeys):
		return nil, &failure{code: codeKeysTooMany}
	case errors.Is(err, account.ErrKeyEnded):
		return nil, &failure{code: codeKeyEnded}
	case errors.Is(err, account.ErrKeyReused):
		return nil, &failure{code: codeKeyReused}
	case err != nil:
		return nil, err
	}
	out := &newKeyOutput{Location: "/v1/keys/" + key.ID, Body: NewKeyView{a.viewOfKey(key), key.Secret}}
	if key.Replayed {
		out.Replayed = "true"
	}
	return out, nil
}

// misplaced are values that are not allowed where they stand.
func misplaced(pointers ...string) error {
	refused := &failure{code: codeParameterInvalid}
	for _, pointer := range pointers {
		refused.faults = append(refused.faults, declare.Fault{Code: string(codeParameterInvalid), Pointer: pointer})
	}
	return refused
}

type keyInput struct {
	Caller
	ID string `path:"id" doc:"The key's id" example:"key_01KDTP3X8Q0000000000000001"`
}

func (a *api) revokeKey(ctx context.Context, in *keyInput) (*struct{}, error) {
	return nil, a.accounts.RevokeKey(ctx, in.request.tenant, in.ID)
}
