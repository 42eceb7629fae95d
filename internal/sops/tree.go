package sops

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A file is small; what is more is an attempt to take memory, by aliases of
// aliases in YAML.
const (
	maxValues = 20_000
	maxDepth  = 100
)

var errTooMuch = fmt.Errorf("it has more than %d values, or is nested deeper than %d levels", maxValues, maxDepth)

// collector gathers the values of a file in its order.
type collector struct {
	leaves  []leaf
	visited int
}

// enter counts a value, or a map or list of them, against the limits.
func (c *collector) enter(path []step) error {
	c.visited++
	if c.visited > maxValues || len(path) > maxDepth {
		return errTooMuch
	}
	return nil
}

func (c *collector) add(path []step, value any) {
	c.leaves = append(c.leaves, leaf{path: path, value: value})
}

// commented reports whether what was added last, at path, is a comment: in a list,
// it is not among the values.
func (c *collector) commented(path []step) bool {
	n := len(c.leaves)
	return n > 0 && len(c.leaves[n-1].path) == len(path) && c.leaves[n-1].comment()
}

// below is the path of what is in the value at path.
func below(path []step, s step) []step {
	return append(path[:len(path):len(path)], s)
}

// parseYAML reads all documents of a file, aliases followed.
func parseYAML(data []byte) ([]leaf, error) {
	c := &collector{}
	d := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var doc yaml.Node
		err := d.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return c.leaves, nil
		}
		if err != nil {
			return nil, yamlError(err)
		}
		first := len(c.leaves)
		for _, n := range doc.Content {
			for n.Kind == yaml.AliasNode {
				n = n.Alias
			}
			if n.Kind == yaml.SequenceNode {
				return nil, errors.New("it is a list, and SOPS encrypts maps")
			}
			if err := c.yaml(n, nil); err != nil {
				return nil, err
			}
		}
		// The metadata of further documents is a copy of the first's.
		if first > 0 {
			kept, _ := formatYAML.split(c.leaves[first:])
			c.leaves = append(c.leaves[:first], kept...)
		}
	}
}

func (c *collector) yaml(n *yaml.Node, path []step) error {
	if err := c.enter(path); err != nil {
		return err
	}
	switch n.Kind {
	case yaml.AliasNode:
		return c.yaml(n.Alias, path)
	case yaml.SequenceNode:
		i := 0
		for _, item := range n.Content {
			at := below(path, step{index: i, list: true})
			if err := c.yaml(item, at); err != nil {
				return err
			}
			if !c.commented(at) {
				i++
			}
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			var name any
			if err := n.Content[i].Decode(&name); err != nil {
				return yamlError(err)
			}
			text, ok := name.(string)
			if !ok {
				return fmt.Errorf("line %d: a name is no string, which SOPS needs: quote it", n.Content[i].Line)
			}
			if err := c.yaml(n.Content[i+1], below(path, step{name: text})); err != nil {
				return err
			}
		}
	case yaml.ScalarNode:
		var value any
		if err := n.Decode(&value); err != nil {
			return yamlError(err)
		}
		if len(path) > 0 { // else the document is empty
			c.add(path, value)
		}
	}
	return nil
}

var yamlLine = regexp.MustCompile(`\bline (\d+)`)

// yamlError keeps the line of an error: its words may quote what is there.
func yamlError(err error) error {
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		return fmt.Errorf("line %s is not understood", m[1])
	}
	return errors.New("it is not understood")
}

// parseJSON reads a file, with whole numbers as such.
func parseJSON(data []byte) ([]leaf, error) {
	c := &collector{}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	t, err := d.Token()
	if err != nil {
		return nil, jsonError(d, err)
	}
	if t != json.Delim('{') {
		return nil, errors.New("it is no object, and SOPS encrypts objects")
	}
	if err := c.json(d, t, nil); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows its object")
	}
	return c.leaves, nil
}

func (c *collector) json(d *json.Decoder, t json.Token, path []step) error {
	if err := c.enter(path); err != nil {
		return err
	}
	switch t := t.(type) {
	case json.Delim:
		for i := 0; d.More(); {
			s := step{index: i, list: true}
			if t == '{' {
				name, err := d.Token()
				if err != nil {
					return jsonError(d, err)
				}
				s = step{name: name.(string)} // the decoder allows nothing else
			}
			value, err := d.Token()
			if err != nil {
				return jsonError(d, err)
			}
			at := below(path, s)
			if err := c.json(d, value, at); err != nil {
				return err
			}
			if !c.commented(at) {
				i++
			}
		}
		if _, err := d.Token(); err != nil { // its end
			return jsonError(d, err)
		}
	case json.Number:
		if i, err := t.Int64(); err == nil {
			c.add(path, int(i))
			return nil
		}
		f, err := t.Float64()
		if err != nil {
			return fmt.Errorf("a number before byte %d is out of range", d.InputOffset())
		}
		c.add(path, f)
	default:
		c.add(path, t)
	}
	return nil
}

func jsonError(d *json.Decoder, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it ends too early")
	}
	return fmt.Errorf("byte %d is not understood", d.InputOffset())
}

// parseDotenv reads lines of NAME=value; all values are strings.
func parseDotenv(data []byte) ([]leaf, error) {
	c := &collector{}
	for i, line := range strings.Split(string(data), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			return nil, fmt.Errorf("line %d has no =", i+1)
		}
		path := []step{{name: name}}
		if err := c.enter(path); err != nil {
			return nil, err
		}
		c.add(path, strings.ReplaceAll(value, `\n`, "\n"))
	}
	return c.leaves, nil
}
