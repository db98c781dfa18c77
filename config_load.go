package relay

import (
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

//go:embed config_init.yaml
var configTemplate string

// ConfigTemplate returns a configuration file that explains every key: the
// defaults, and one stream to start from.
func ConfigTemplate() string { return configTemplate }

// envPrefix begins the environment variables that set a key: RELAY_HTTP__LISTEN
// sets http.listen. Variables without "__" are not the configuration's.
const envPrefix = "RELAY_"

// LoadConfig reads a configuration file over the defaults, and then the
// environment over both. env holds "NAME=value" strings, as os.Environ returns
// them; path may be empty, for defaults and environment alone. Relative paths in
// the file start at the file's directory.
//
// The file must be understood entirely: an unknown key is an error, with its
// line and the nearest known key. All errors are reported at once, as a
// [ConfigError]. The values are not judged: [Config.Validate] does that, when
// flags too have been applied. But if there is an error, the values that Validate
// would refuse are reported with it.
func LoadConfig(path string, env []string) (*Config, error) {
	if path == "" {
		return ReadConfig("", nil, env)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, ConfigError{{Where: path, Problem: "cannot be read: " + reason(err)}}
	}
	return ReadConfig(path, text, env)
}

// ReadConfig is [LoadConfig] of a file that has been read already: name is its
// path, for error messages and for the relative paths in it.
func ReadConfig(name string, text []byte, env []string) (*Config, error) {
	c := DefaultConfig()
	c.origins = map[string]string{}
	l := loader{origins: c.origins, where: func(line int) string { return fmt.Sprintf("%s:%d", name, line) }}
	l.document(text, reflect.ValueOf(&c).Elem())
	c.resolvePaths(filepath.Dir(name))
	errs := l.errs
	for _, variable := range slices.Sorted(slices.Values(env)) {
		name, value, _ := strings.Cut(variable, "=")
		if key, ok := strings.CutPrefix(name, envPrefix); ok && strings.Contains(key, "__") {
			errs = append(errs, c.set(strings.Split(key, "__"), value, name)...)
		}
	}
	if len(errs) > 0 {
		return nil, append(errs, c.judged(errs)...)
	}
	return &c, nil
}

// judged returns the given values that Validate refuses, beside the errors of
// reading. What is missing, and what may follow from one of those errors, is left
// out.
func (c *Config) judged(unread ConfigError) ConfigError {
	var found ConfigError
	errors.As(c.Validate(), &found)
	below := func(key, parent string) bool {
		return parent == "" || key == parent || strings.HasPrefix(key, parent+".") || strings.HasPrefix(key, parent+"[")
	}
	return slices.DeleteFunc(found, func(f FieldError) bool {
		return c.origins[f.Key] == "" || f.Value == "" || slices.ContainsFunc(unread, func(u FieldError) bool {
			open := strings.HasSuffix(f.Key, ".listen") && below(u.Key, "auth") // it goes by the tokens
			return open || below(f.Key, u.Key) || below(u.Key, f.Key)
		})
	})
}

// Set gives one key a value, as text or, for lists and groups, in YAML (a list
// of plain values may also be separated by commas). key is the path of the key
// ("streams.wheel.hold"); origin names where the value comes from in later error
// messages ("--http").
func (c *Config) Set(key, value, origin string) error {
	return c.set(c.splitKey(key), value, origin).orNil()
}

// splitKey splits a key's path, minding that a stream's name may hold dots.
func (c *Config) splitKey(key string) []string {
	if rest, ok := strings.CutPrefix(key, "streams."); ok {
		for _, name := range slices.Backward(slices.Sorted(maps.Keys(c.Streams))) {
			if after, ok := strings.CutPrefix(rest, name+"."); ok {
				return append([]string{"streams", name}, strings.Split(after, ".")...)
			}
		}
	}
	return strings.Split(key, ".")
}

// set walks to the field that path names, in any letter case, and sets it.
func (c *Config) set(path []string, text, origin string) ConfigError {
	if c.origins == nil {
		c.origins = map[string]string{}
	}
	l := loader{origins: c.origins, where: func(int) string { return origin }}
	l.walk("", path, text, reflect.ValueOf(c).Elem())
	return l.errs
}

// resolvePaths makes the relative paths of a file start at its directory.
func (c *Config) resolvePaths(dir string) {
	resolve := func(p *string) {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
	resolve(&c.HTTP.TLS.CertFile)
	resolve(&c.HTTP.TLS.KeyFile)
	resolve(&c.State.Dir)
	resolve(&c.State.Journal.CredentialsFile)
	resolve(&c.Transcript.KeyFile)
	resolve(&c.Transcript.PreviousKeyFile)
	resolve(&c.Transcript.Witness.File)
	for i := range c.Auth.Tokens {
		resolve(&c.Auth.Tokens[i].File)
	}
	for name, s := range c.Streams {
		resolve(&s.RTP.SDP)
		if s.Backup != nil {
			resolve(&s.Backup.RTP.SDP)
		}
		resolve(&s.Record.Dir)
		c.Streams[name] = s
	}
}

// loader fills a Config from YAML nodes and remembers where each value stood.
type loader struct {
	where   func(line int) string
	origins map[string]string
	anchors map[string]ast.Node
	merges  int // merge keys followed so far
	errs    ConfigError
}

func (l *loader) fail(line int, key, value, problem, allowed string) {
	l.errs = append(l.errs, FieldError{Where: l.where(line), Key: key, Value: value, Problem: problem, Allowed: allowed})
}

// document fills v from a whole YAML document.
func (l *loader) document(text []byte, v reflect.Value) {
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		line, message := 1, err.Error()
		if y := yaml.Error(nil); errors.As(err, &y) {
			line, message = y.GetToken().Position.Line, y.GetMessage()
		}
		l.fail(line, "", "", message, "")
		return
	}
	for i, doc := range file.Docs {
		if i > 0 && doc.Body != nil {
			l.fail(line(doc.Body), "", "", "only one YAML document is read; remove the second", "")
			return
		}
		if doc.Body != nil {
			l.value("", doc.Body, v)
		}
	}
}

// walk sets the field at path below v, which is the field at key.
func (l *loader) walk(key string, path []string, text string, v reflect.Value) {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(newField(v.Type().Elem()).Addr())
		}
		v = v.Elem()
	}
	if len(path) == 0 {
		l.text(key, text, v)
		return
	}
	switch {
	case isGroup(v.Type()):
		field, name, ok := fieldByKey(v, path[0])
		if !ok {
			l.unknown(0, key, path[0], fieldKeys(v.Type()))
			return
		}
		l.walk(join(key, name), path[1:], text, field)
	case v.Kind() == reflect.Map:
		name := streamKey(path[0], v)
		elem := newField(v.Type().Elem())
		if old := v.MapIndex(reflect.ValueOf(name)); old.IsValid() {
			elem.Set(old)
		}
		l.walk(join(key, name), path[1:], text, elem)
		v.SetMapIndex(reflect.ValueOf(name), elem)
	default:
		l.fail(0, join(key, strings.Join(path, ".")), "", fmt.Sprintf("has no keys below %q", key), "")
	}
}

// streamKey returns the name in map m that an environment variable's segment
// means: the same name, or the one that is the same in capitals with "_" for
// "-" and "."; otherwise the segment itself in small letters.
func streamKey(segment string, m reflect.Value) string {
	if m.MapIndex(reflect.ValueOf(segment)).IsValid() {
		return segment
	}
	plain := strings.NewReplacer("-", "_", ".", "_")
	for _, k := range m.MapKeys() {
		if plain.Replace(strings.ToUpper(k.String())) == segment {
			return k.String()
		}
	}
	return strings.ToLower(segment)
}

// text sets the field at key from text.
func (l *loader) text(key, text string, v reflect.Value) {
	plainList := v.Kind() == reflect.Slice && !isGroup(v.Type().Elem()) && !strings.HasPrefix(text, "[")
	switch {
	case plainList:
		list := reflect.MakeSlice(v.Type(), 0, 0)
		for item := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == ' ' }) {
			elem := newField(v.Type().Elem())
			l.scalar(0, fmt.Sprintf("%s[%d]", key, list.Len()), item, elem)
			list = reflect.Append(list, elem)
		}
		v.Set(list)
		l.origins[key] = l.where(0)
	case v.Kind() == reflect.Slice, v.Kind() == reflect.Map, isGroup(v.Type()):
		file, err := parser.ParseBytes([]byte(text), 0)
		if err != nil || len(file.Docs) != 1 || file.Docs[0].Body == nil {
			l.fail(0, key, text, "is not YAML", "")
			return
		}
		l.origins[key] = l.where(0)
		l.value(key, file.Docs[0].Body, v)
	default:
		l.scalar(0, key, text, v)
	}
}

func (l *loader) scalar(line int, key, text string, v reflect.Value) {
	if err := setText(v, text); err != nil {
		l.fail(line, key, text, err.Error(), "")
	}
	l.origins[key] = l.where(line)
}

func (l *loader) unknown(line int, parent, key string, known []string) {
	problem := "unknown key"
	if n := nearest(key, known); n != "" {
		problem += fmt.Sprintf("; did you mean %q?", n)
	}
	l.fail(line, join(parent, key), "", problem, strings.Join(known, ", "))
}

func join(parent, key string) string {
	if parent == "" {
		return key
	}
	return parent + "." + key
}
