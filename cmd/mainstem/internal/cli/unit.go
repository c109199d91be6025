package cli

import (
	"fmt"
	"math"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/mainstemdb/mainstem/internal/spelling"
)

// size is a number of bytes, written with its unit.
type size int64

// sizeUnits are the units of a size, the largest first.
var sizeUnits = []struct {
	name  string
	bytes int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// UnmarshalText reads a size. A number alone could mean anything, and MB is not MiB.
func (s *size) UnmarshalText(text []byte) error {
	number := strings.TrimRight(string(text), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	unit := string(text[len(number):])
	n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
	if err != nil || n < 0 {
		return fmt.Errorf("%.40q is no size; write a whole number and its unit, for example 256MiB", text)
	}
	for _, u := range sizeUnits {
		if unit != u.name {
			continue
		}
		if n > math.MaxInt64/u.bytes {
			return fmt.Errorf("%.40q is more than any machine has", text)
		}
		*s = size(n * u.bytes)
		return nil
	}
	if near := spelling.Nearest(unit+"iB", sizeNames()); unit != "" && near != "" {
		return fmt.Errorf("%.40q has no unit that is known; did you mean %d%s?", text, n, near)
	}
	return fmt.Errorf("%.40q has no unit; write %dMiB for mebibytes, or KiB or GiB", text, n)
}

// MarshalText writes a size with the largest unit that divides it.
func (s size) MarshalText() ([]byte, error) {
	for _, u := range sizeUnits {
		if n := int64(s); n%u.bytes == 0 && n > 0 {
			return fmt.Appendf(nil, "%d%s", n/u.bytes, u.name), nil
		}
	}
	return strconv.AppendInt(nil, int64(s), 10), nil
}

func sizeNames() (names []string) {
	for _, u := range sizeUnits {
		names = append(names, u.name)
	}
	return names
}

// span is a duration, written with its unit.
type span time.Duration

// UnmarshalText reads a duration.
func (s *span) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	switch {
	case err != nil && strings.Trim(string(text), "0123456789") == "" && len(text) > 0:
		return fmt.Errorf("%.40q has no unit; write %.40ss for seconds, or ms, m or h", text, text)
	case err != nil:
		return fmt.Errorf("%.40q is no duration; write a number and its unit, for example 500ms, 30s or 2m", text)
	case d < 0:
		return fmt.Errorf("%.40q is below zero", text)
	}
	*s = span(d)
	return nil
}

// MarshalText writes a duration without units that are zero.
func (s span) MarshalText() ([]byte, error) {
	text := time.Duration(s).String()
	if cut, ok := strings.CutSuffix(text, "m0s"); ok {
		text = cut + "m"
	}
	if cut, ok := strings.CutSuffix(text, "h0m"); ok {
		text = cut + "h"
	}
	return []byte(text), nil
}

// address is where a server listens. Empty is nowhere.
type address string

// UnmarshalText reads an address.
func (a *address) UnmarshalText(text []byte) error {
	*a = address(text)
	if len(text) == 0 {
		return nil
	}
	host, port, err := net.SplitHostPort(string(text))
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	switch {
	case err == nil:
		return nil
	case strings.Contains(string(text), "://"):
		return fmt.Errorf("%.60q is a URL; write HOST:PORT, for example 127.0.0.1:7171", text)
	case strings.Trim(string(text), "0123456789") == "":
		return fmt.Errorf("%.60q has no host; write 127.0.0.1:%[1]s, or :%[1]s for every address of this machine", text)
	case port != "":
		return fmt.Errorf("the port of %.60q is no number up to 65535; write %s:7171", text, host)
	default:
		return fmt.Errorf("%.60q is no HOST:PORT; write 127.0.0.1:7171, [::1]:7171, or :7171 for every address of this machine", text)
	}
}
