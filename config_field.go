package relay

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// The configuration's keys are the yaml tags of Config and what it holds. This
// file finds a field by its key and gives it a value written as text, which is
// all that the file, the environment and the flags need.

var (
	durationType = reflect.TypeFor[time.Duration]()
	addrType     = reflect.TypeFor[netip.Addr]()
	prefixType   = reflect.TypeFor[netip.Prefix]()
)

// isGroup reports whether a field of type t holds keys of its own.
func isGroup(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t != addrType && t != prefixType
}

// newField returns a new value of type t with the defaults of its type.
func newField(t reflect.Type) reflect.Value {
	v := reflect.New(t)
	switch p := v.Interface().(type) {
	case *StreamConfig:
		*p = DefaultStream()
	case *VideoConfig:
		*p = DefaultVideo()
	case *AudioConfig:
		*p = DefaultAudio()
	case *BackupConfig:
		*p = DefaultBackup()
	case *SecondPathConfig:
		*p = DefaultSecondPath()
	}
	return v.Elem()
}

// fieldKeys returns the keys of a group, in the order of its fields.
func fieldKeys(t reflect.Type) []string {
	var keys []string
	for i := range t.NumField() {
		if key := t.Field(i).Tag.Get("yaml"); key != "" && key != "-" {
			keys = append(keys, key)
		}
	}
	return keys
}

// fieldByKey returns the field of a group that has the key, in any letter case.
func fieldByKey(v reflect.Value, key string) (field reflect.Value, exact string, ok bool) {
	for i := range v.NumField() {
		if tag := v.Type().Field(i).Tag.Get("yaml"); tag != "-" && tag != "" && strings.EqualFold(tag, key) {
			return v.Field(i), tag, true
		}
	}
	return reflect.Value{}, "", false
}

// setText gives a scalar the value that text spells.
func setText(v reflect.Value, text string) error {
	switch v.Type() {
	case durationType:
		d, err := parseDuration(text)
		if err != nil {
			return err
		}
		v.SetInt(int64(d))
		return nil
	case addrType:
		a, err := netip.ParseAddr(text)
		if err != nil {
			return errors.New("is not an IP address")
		}
		v.Set(reflect.ValueOf(a.Unmap()))
		return nil
	case prefixType:
		p, err := parsePrefix(text)
		if err != nil {
			return err
		}
		v.Set(reflect.ValueOf(p))
		return nil
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		if text != "true" && text != "false" {
			return errors.New("is neither true nor false")
		}
		v.SetBool(text == "true")
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(text, 0, 64)
		if err != nil {
			return errors.New("is not a whole number")
		}
		v.SetInt(n)
	case reflect.Uint8, reflect.Uint32:
		bits := v.Type().Bits()
		if v.Kind() == reflect.Uint8 {
			bits = 7 // payload types (RFC 3550, section 5.1)
		}
		n, err := strconv.ParseUint(text, 0, bits)
		if err != nil {
			return fmt.Errorf("is not a whole number from 0 to %d", uint64(1)<<bits-1)
		}
		v.SetUint(n)
	default:
		return errors.New("cannot be set to a single value")
	}
	return nil
}

// parseDuration is time.ParseDuration, except that a missing unit is explained.
func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err == nil {
		return d, nil
	}
	if _, numErr := strconv.ParseFloat(text, 64); numErr == nil {
		return 0, fmt.Errorf("has no unit; write %ss or %sms", text, text)
	}
	return 0, errors.New(`is not a duration such as "1.5s" or "200ms"`)
}

// parsePrefix reads a network, or an address as the network that holds it alone.
func parsePrefix(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, errors.New(`is not a network such as "192.0.2.0/24"`)
	}
	return p.Masked(), nil
}

// nearest returns the candidate that is the fewest edits away from key, or ""
// if none is near enough to have been meant.
func nearest(key string, candidates []string) string {
	best, bestDistance := "", len(key)/2+1
	for _, c := range candidates {
		if d := editDistance(strings.ToLower(key), c); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

// editDistance is the Levenshtein distance of two keys, in bytes.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
