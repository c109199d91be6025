package cli

import "strconv"

// loneSurrogate is the first escape in JSON text that is half of a surrogate
// pair without the other half, or "". It names no character (RFC 8259, section
// 8.2), and decoders put U+FFFD in its place: two names would become one.
func loneSurrogate(text []byte) string {
	for i := 0; i+1 < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		unit, ok := escaped(text[i:])
		if !ok {
			i++ // whatever is escaped, or wrong: that is for the decoder
			continue
		}
		const lengthEscape = len(`\u0000`)
		switch {
		case unit < 0xd800 || unit > 0xdfff:
		case unit < 0xdc00 && low(text[i+lengthEscape:]):
			i += lengthEscape
		default:
			return string(text[i : i+lengthEscape])
		}
		i += lengthEscape - 1
	}
	return ""
}

// escaped reads the \uXXXX that text begins with.
func escaped(text []byte) (unit uint64, ok bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	unit, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	return unit, err == nil
}

// low reports whether text begins with the second half of a surrogate pair.
func low(text []byte) bool {
	unit, ok := escaped(text)
	return ok && unit >= 0xdc00 && unit <= 0xdfff
}
