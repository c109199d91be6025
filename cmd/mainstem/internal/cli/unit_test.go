package cli

import "testing"

func TestUnitsAreWrittenAsTheyAreRead(t *testing.T) {
	for _, text := range []string{"1GiB", "64MiB", "1025KiB"} {
		var s size
		if err := s.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if again, err := s.MarshalText(); string(again) != text || err != nil {
			t.Errorf("%s is written %s, %v", text, again, err)
		}
	}
	for text, want := range map[string]string{"90s": "1m30s", "2m": "2m", "1h": "1h", "60m": "1h", "0s": "0s", "1500ms": "1.5s", "1h0m1s": "1h0m1s"} {
		var s span
		if err := s.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if again, err := s.MarshalText(); string(again) != want || err != nil {
			t.Errorf("%s is written %s, %v", text, again, err)
		}
	}
}
