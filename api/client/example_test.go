package client_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"

	"singlewindow/api/client"
)

// A declaration is filed; what may come back is told by status.
func ExampleClientWithResponses_SubmitDeclarationWithResponse() {
	// This gateway answers as the document says one does.
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		receipt, err := os.ReadFile("../examples/submit-declaration.json")
		if err != nil || r.Header.Get("Authorization") != "Bearer sw_test_key" || r.Header.Get("Idempotency-Key") == "" {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintf(w, "%s", receipt)
	}))
	defer gateway.Close()

	withKey := func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer sw_test_key")
		return nil
	}
	window, err := client.NewClientWithResponses(gateway.URL, client.WithRequestEditorFn(withKey))
	if err != nil {
		fmt.Println(err)
		return
	}
	declaration := json.RawMessage(`{"kind": "goods", "reference": "ACME-2026-0001", "functionCode": "9", "typeCode": "IMA"}`)
	filed, err := window.SubmitDeclarationWithResponse(context.Background(),
		&client.SubmitDeclarationParams{IdempotencyKey: "9b2f6a2e-7c1d-4f58-9a53-0d5c7a1f2b11"}, declaration)
	switch {
	case err != nil: // the outcome is not known: ask again with the same key
		fmt.Println(err)
	case filed.JSON202 != nil:
		fmt.Println(filed.JSON202.Reference, filed.JSON202.Status)
	case filed.ApplicationproblemJSONDefault != nil:
		fmt.Println(filed.ApplicationproblemJSONDefault.Code)
		for _, fault := range filed.ApplicationproblemJSONDefault.Errors {
			fmt.Println(fault.Pointer, fault.Code)
		}
	}
	// Output: ACME-2026-0001 processing
}
