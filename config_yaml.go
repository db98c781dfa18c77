package relay

import (
	"fmt"
	"reflect"

	"github.com/goccy/go-yaml/ast"
)

// value fills v, the field at key, from a YAML node. A null leaves the default.
func (l *loader) value(key string, node ast.Node, v reflect.Value) {
	node = l.resolve(node)
	if node == nil || node.Type() == ast.NullType {
		return
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(newField(v.Type().Elem()).Addr())
		}
		v = v.Elem()
	}
	switch {
	case isGroup(v.Type()):
		l.group(key, node, v)
	case v.Kind() == reflect.Map:
		l.named(key, node, v)
	case v.Kind() == reflect.Slice:
		l.list(key, node, v)
	default:
		if _, ok := node.(ast.ScalarNode); !ok {
			l.fail(line(node), key, "", "must be a single value", "")
			return
		}
		l.scalar(line(node), key, scalarText(node), v)
	}
}

// group fills a group's fields from a mapping.
func (l *loader) group(key string, node ast.Node, v reflect.Value) {
	for entry := range l.entries(key, node) {
		name := entry.name
		field, exact, ok := fieldByKey(v, name)
		if !ok || exact != name {
			l.unknown(entry.line, key, name, fieldKeys(v.Type()))
			continue
		}
		l.origins[join(key, name)] = l.where(entry.line)
		l.value(join(key, name), entry.value, field)
	}
}

// named fills a map of groups (the streams) from a mapping; a null makes an
// entry of defaults.
func (l *loader) named(key string, node ast.Node, v reflect.Value) {
	for entry := range l.entries(key, node) {
		elem := newField(v.Type().Elem())
		if old := v.MapIndex(reflect.ValueOf(entry.name)); old.IsValid() {
			elem.Set(old)
		}
		l.origins[join(key, entry.name)] = l.where(entry.line)
		l.value(join(key, entry.name), entry.value, elem)
		v.SetMapIndex(reflect.ValueOf(entry.name), elem)
	}
}

// list fills a list from a sequence.
func (l *loader) list(key string, node ast.Node, v reflect.Value) {
	sequence, ok := node.(*ast.SequenceNode)
	if !ok {
		l.fail(line(node), key, "", "must be a list", "")
		return
	}
	list := reflect.MakeSlice(v.Type(), 0, len(sequence.Values))
	for i, item := range sequence.Values {
		elem := newField(v.Type().Elem())
		itemKey := fmt.Sprintf("%s[%d]", key, i)
		l.origins[itemKey] = l.where(line(item))
		l.value(itemKey, item, elem)
		list = reflect.Append(list, elem)
	}
	v.Set(list)
}

// maxMerges bounds the merge keys of one document, since a merge may name itself.
const maxMerges = 1000

// entry is one key of a mapping.
type entry struct {
	name  string
	line  int
	value ast.Node
}

// entries yields a mapping's keys in order; what a merge key ("<<") brings in
// comes before the keys that are written out, which so override it.
func (l *loader) entries(key string, node ast.Node) func(yield func(entry) bool) {
	return func(yield func(entry) bool) {
		var values []*ast.MappingValueNode
		switch n := node.(type) {
		case *ast.MappingNode:
			values = n.Values
		case *ast.MappingValueNode:
			values = []*ast.MappingValueNode{n}
		default:
			l.fail(line(node), key, "", "must be a group of keys", "")
			return
		}
		for _, kv := range values {
			if !kv.Key.IsMergeKey() {
				continue
			}
			if l.merges++; l.merges > maxMerges {
				l.fail(line(kv.Key), key, "<<", "merges too much, or itself", "")
				return
			}
			merged := l.resolve(kv.Value)
			if merged == nil {
				continue
			}
			for e := range l.entries(key, merged) {
				if !yield(e) {
					return
				}
			}
		}
		for _, kv := range values {
			if kv.Key.IsMergeKey() {
				continue
			}
			if !yield(entry{scalarText(kv.Key), line(kv.Key), kv.Value}) {
				return
			}
		}
	}
}

// resolve returns what an anchor, alias or tag stands for.
func (l *loader) resolve(node ast.Node) ast.Node {
	switch n := node.(type) {
	case *ast.AnchorNode:
		if l.anchors == nil {
			l.anchors = map[string]ast.Node{}
		}
		l.anchors[n.Name.String()] = n.Value
		return l.resolve(n.Value)
	case *ast.AliasNode:
		target, ok := l.anchors[n.Value.String()]
		if !ok {
			l.fail(line(node), "", n.Value.String(), "is an alias of nothing", "")
			return nil
		}
		return l.resolve(target)
	case *ast.TagNode:
		return l.resolve(n.Value)
	}
	return node
}

// scalarText returns a scalar as it was written, without quotes.
func scalarText(node ast.Node) string {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value
	case *ast.LiteralNode:
		return n.Value.Value
	}
	return node.GetToken().Value
}

// line returns the line that a node begins on.
func line(node ast.Node) int {
	switch n := node.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return line(n.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return line(n.Key)
	}
	return node.GetToken().Position.Line
}
