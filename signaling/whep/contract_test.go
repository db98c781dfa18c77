package whep

import (
	"bytes"
	"context"
	"io"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/framelock/relay/signaling/control"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// TestContract checks calls and their answers against the API's description.
func TestContract(t *testing.T) {
	openapi3filter.RegisterBodyDecoder("application/sdp", openapi3filter.FileBodyDecoder)
	doc, err := openapi3.NewLoader().LoadFromData(control.OpenAPI())
	if err != nil {
		t.Fatal(err)
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	tried := map[string]bool{"play 429": true} // TestJoinsAreLimited
	for _, c := range calls {
		t.Run(c.name, func(t *testing.T) {
			route, params, err := router.FindRoute(c.request())
			if err != nil {
				if c.status != 404 && c.status != 405 && c.status != 204 {
					t.Errorf("%s %s is not described: %v", c.method, c.path, err)
				}
				return
			}
			w := httptest.NewRecorder()
			Handler(&door{t: t, err: c.err}, people, Options{}).ServeHTTP(w, c.request())
			tried[route.Operation.OperationID+" "+strconv.Itoa(w.Code)] = true
			input := &openapi3filter.RequestValidationInput{
				Request: c.request(), PathParams: params, Route: route,
				Options: &openapi3filter.Options{
					AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true,
				},
			}
			if w.Code < 300 {
				if err := openapi3filter.ValidateRequest(context.Background(), input); err != nil {
					t.Errorf("a call that the description forbids succeeded: %v", err)
				}
			}
			err = openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
				RequestValidationInput: input, Status: w.Code, Header: w.Header(),
				Body: io.NopCloser(bytes.NewReader(w.Body.Bytes())), Options: input.Options,
			})
			if err != nil {
				t.Errorf("the answer is not as described: %v", err)
			}
		})
	}
	for _, path := range doc.Paths.Map() {
		for _, op := range path.Operations() {
			for status := range op.Responses.Map() {
				if len(op.Tags) == 1 && op.Tags[0] == "play" && !tried[op.OperationID+" "+status] {
					t.Errorf("no call shows the status %s of %s", status, op.OperationID)
				}
			}
		}
	}
}
