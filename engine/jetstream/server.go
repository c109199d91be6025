package jetstream

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// shown is what a server tells of itself.
type shown struct {
	version string
	always  bool // sync_interval is always
}

// look asks the monitors for the settings of their servers, by server name. A
// monitor that does not answer is an error: it was named to be believed.
func look(ctx context.Context, monitors []string, servers []string) (map[string]shown, error) {
	all := map[string]shown{}
	for _, m := range monitors {
		ask := askAll
		if strings.HasPrefix(m, "http://") || strings.HasPrefix(m, "https://") {
			ask = askOne
		}
		if err := ask(ctx, m, servers, all); err != nil {
			return nil, fmt.Errorf("jetstream: monitor %s: %w", redacted(m), err)
		}
	}
	return all, nil
}

// limitVarz is the longest answer of a monitor that is read, in bytes.
const limitVarz = 4 << 20

// askOne reads /varz of one server's monitoring.
func askOne(ctx context.Context, monitor string, _ []string, all map[string]shown) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(monitor, "/")+"/varz", nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close() //nolint:errcheck // it was only read
	var varz struct {
		Name      string `json:"server_name"`
		Version   string `json:"version"`
		JetStream struct {
			Config struct {
				Always bool `json:"sync_always"`
			} `json:"config"`
		} `json:"jetstream"`
	}
	b, err := io.ReadAll(io.LimitReader(answer.Body, limitVarz))
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("it answers %s", answer.Status)
	}
	if err == nil {
		err = json.Unmarshal(b, &varz)
	}
	if err != nil {
		return err
	}
	all[varz.Name] = shown{varz.Version, varz.JetStream.Config.Always}
	return nil
}

// askAll asks every server at once, as a user of the system account, until
// those that are wanted have answered or two seconds have passed.
func askAll(ctx context.Context, monitor string, servers []string, all map[string]shown) error {
	conn, err := nats.Connect(monitor, nats.Name("mainstem settings"), nats.NoReconnect())
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	inbox := nats.NewInbox()
	answers, err := conn.SubscribeSync(inbox)
	if err == nil {
		err = conn.PublishRequest("$SYS.REQ.SERVER.PING.JSZ", inbox, nil)
	}
	if err != nil {
		return err
	}
	missing := func() bool {
		for _, s := range servers {
			if _, ok := all[s]; !ok {
				return true
			}
		}
		return false
	}
	for missing() {
		msg, err := answers.NextMsgWithContext(ctx)
		if err != nil {
			return nil //nolint:nilerr // who has not answered is not seen, and counts as weak
		}
		var jsz struct {
			Server struct {
				Name    string `json:"name"`
				Version string `json:"ver"`
			} `json:"server"`
			Data struct {
				Config struct {
					Always bool `json:"sync_always"`
				} `json:"config"`
			} `json:"data"`
		}
		if err := json.Unmarshal(msg.Data, &jsz); err != nil {
			return fmt.Errorf("read its answer: %w", err)
		}
		all[jsz.Server.Name] = shown{jsz.Server.Version, jsz.Data.Config.Always}
	}
	return nil
}

// judge says what is wrong with the servers that hold a stream.
func judge(servers []string, seen map[string]shown) (bad []Setting) {
	for _, name := range servers {
		s, ok := seen[name]
		switch {
		case !ok:
			bad = append(bad, Setting{Name: "sync_interval of server " + name, Want: "always", Got: "unknown (no monitor shows it)", Weak: true})
			continue
		case !s.always:
			bad = append(bad, Setting{Name: "sync_interval of server " + name, Want: "always", Got: "a time", Weak: true})
		}
		bad = append(bad, judgeVersion(name, s.version)...)
	}
	return bad
}

// judgeVersion refuses servers in which a log is not safe.
func judgeVersion(server, version string) []Setting {
	if recent(version) {
		return nil
	}
	return []Setting{{Name: "version of server " + server, Want: "2.14.9 or 2.15.2 or later", Got: version}}
}

// recent is true from 2.14.9 and from 2.15.2 on.
func recent(version string) bool {
	version, _, _ = strings.Cut(version, "-")
	parts := strings.Split(strings.TrimPrefix(version, "v"), ".")
	if len(parts) != 3 {
		return false
	}
	var n [3]uint64
	for i, p := range parts {
		var err error
		if n[i], err = strconv.ParseUint(p, 10, 16); err != nil {
			return false
		}
	}
	switch {
	case n[0] != 2 || n[1] > 15:
		return n[0] >= 2
	case n[1] == 15:
		return n[2] >= 2
	}
	return n[1] == 14 && n[2] >= 9
}

// redacted is a URL, or a list of them, without credentials.
func redacted(list string) string {
	urls := strings.Split(list, ",")
	for i, s := range urls {
		u, err := url.Parse(strings.TrimSpace(s))
		if err != nil {
			return "the given URL"
		}
		if u.User != nil {
			u.User = url.User("hidden")
		}
		urls[i] = u.String()
	}
	return strings.Join(urls, ",")
}
