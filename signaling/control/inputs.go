package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"

	"github.com/framelock/relay/signaling/problem"
)

// inputs answers with the stream's encoders.
func (h *handler) inputs(w http.ResponseWriter, r *http.Request) {
	s, ok := h.stream(w, r)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), answerTimeout)
	defer cancel()
	inputs, err := s.Inputs(ctx)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.writeJSON(w, r, http.StatusOK, inputs)
}

// maxSwitchBody is the largest body of a request to switch, in bytes.
const maxSwitchBody = 1 << 10

// switchInput has an encoder take over.
func (h *handler) switchInput(w http.ResponseWriter, r *http.Request) {
	s, ok := h.stream(w, r)
	if !ok {
		return
	}
	// A page of another origin cannot send this type without asking first.
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		problem.Write(w, http.StatusUnsupportedMediaType, "the body must be JSON and say so",
			problem.Field("Content-Type", r.Header.Get("Content-Type"), "application/json"))
		return
	}
	input, err := readSwitch(http.MaxBytesReader(w, r.Body, maxSwitchBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		problem.Write(w, http.StatusRequestEntityTooLarge, "the body is too large",
			problem.Field("body", "", "at most "+strconv.Itoa(maxSwitchBody)+" bytes"))
		return
	}
	if err != nil || input != "primary" && input != "backup" {
		problem.Write(w, http.StatusBadRequest, `the body names the encoder that is to take over: {"input":"backup"}`,
			problem.Field("input", input, "primary, backup"))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), answerTimeout)
	defer cancel()
	inputs, done, err := s.SwitchInput(ctx, input)
	if notNow := (*NotNow)(nil); errors.As(err, &notNow) {
		problem.Write(w, http.StatusConflict, notNow.Error())
		return
	}
	switch {
	case err != nil:
		h.fail(w, r, err)
	case done:
		h.writeJSON(w, r, http.StatusOK, inputs)
	default:
		h.writeJSON(w, r, http.StatusAccepted, inputs)
	}
}

// readSwitch returns the encoder that a request names.
func readSwitch(body io.Reader) (string, error) {
	b, err := io.ReadAll(body)
	if err != nil {
		return "", err
	}
	var request struct {
		Input string `json:"input"`
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	err = d.Decode(&request)
	return request.Input, err
}
