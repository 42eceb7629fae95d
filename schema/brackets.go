package schema

import (
	"bytes"
	"strings"

	"cuelang.org/go/cue/scanner"
	"cuelang.org/go/cue/token"
)

// bracket is one that is open, where it is, and how far its line is indented.
type bracket struct {
	offset, indent int
	text           bool // of what is computed inside of a string
}

// oddBracket gives the first bracket that the indentation of the lines speaks against:
// one that is not closed at the depth of its line (opens), or one that closes what was
// opened at another. It is -1 when there is none.
func oddBracket(name string, data []byte) (offset int, opens bool) {
	var s scanner.Scanner
	s.Init(token.NewFile(name, -1, len(data)), data, nil, 0)
	var open []bracket
	interpolation := false
	for {
		pos, tok, _ := s.Scan()
		switch tok {
		case token.EOF:
			if len(open) == 0 {
				return -1, false
			}
			return open[len(open)-1].offset, true
		case token.INTERPOLATION:
			interpolation = true
		case token.LBRACE, token.LBRACK, token.LPAREN:
			indent, _ := indentation(data, pos.Offset())
			open = append(open, bracket{pos.Offset(), indent, interpolation})
			interpolation = false
		case token.RBRACE, token.RBRACK, token.RPAREN:
			indent, first := indentation(data, pos.Offset())
			if len(open) == 0 {
				return pos.Offset(), false
			}
			last := open[len(open)-1]
			open = open[:len(open)-1]
			switch {
			case last.text:
				interpolation = strings.HasSuffix(s.ResumeInterpolation(), "(")
			case first && indent < last.indent:
				return last.offset, true
			case first && indent > last.indent:
				return pos.Offset(), false
			}
		}
	}
}

// indentation gives how many spaces and tabs the line of an offset begins with, and
// whether nothing else is before the offset.
func indentation(data []byte, offset int) (indent int, first bool) {
	line := data[bytes.LastIndexByte(data[:offset], '\n')+1:]
	indent = len(line) - len(bytes.TrimLeft(line, " \t"))
	return indent, len(data)-len(line)+indent == offset
}
