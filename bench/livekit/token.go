//go:build linux

package livekit

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"time"
)

// The server's key and secret: it listens on loopback for as long as a measurement.
const (
	key    = "bench"
	secret = "a-secret-for-measurements-on-loopback"
)

const tokenLife = time.Hour

// token lets its bearer, who has never been seen before, into a room.
func token(room string, publish bool) (string, error) {
	type video struct {
		Join      bool   `json:"roomJoin"`
		Room      string `json:"room"`
		Publish   bool   `json:"canPublish"`
		Subscribe bool   `json:"canSubscribe"`
	}
	now := time.Now()
	claims, err := json.Marshal(struct {
		Issuer    string `json:"iss"`
		Subject   string `json:"sub"`
		NotBefore int64  `json:"nbf"`
		Expires   int64  `json:"exp"`
		Video     video  `json:"video"`
	}{key, rand.Text(), now.Add(-time.Minute).Unix(), now.Add(tokenLife).Unix(), video{true, room, publish, !publish}})
	if err != nil {
		return "", err
	}
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString(claims)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), nil
}
