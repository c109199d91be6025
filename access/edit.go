package access

import (
	"bytes"
	"errors"

	"go.yaml.in/yaml/v3"

	"github.com/mainstemdb/mainstem"
)

// ErrExists is the cause of Add's error when the policy has a client of that name.
var ErrExists = errors.New("access: the policy has a client of this name")

// ErrNoClient is the cause of Remove's error when the policy has no client of that name.
var ErrNoClient = errors.New("access: the policy has no client of this name")

// Add returns a policy with one more client. What else stands in the text stays,
// comments included, in YAML's own layout. An empty text is a policy without
// clients. A name that is there already is an error with the cause ErrExists; a
// text or a client that Parse would refuse is that error.
func Add(text []byte, e Entry) ([]byte, error) {
	if len(bytes.TrimSpace(text)) == 0 {
		text = []byte("clients: []\n")
	}
	return edit(text, func(clients *yaml.Node) error {
		if i := index(clients, e.Name); i >= 0 {
			return mainstem.Errorf(mainstem.Exists, "client %s: %w", short(e.Name), ErrExists)
		}
		var n yaml.Node
		if err := n.Encode(e); err != nil {
			return mainstem.Errorf(mainstem.Invalid, "client %s cannot be written: %w", short(e.Name), err)
		}
		clients.Style = 0 // a list in one line would stay one
		clients.Content = append(clients.Content, &n)
		return nil
	})
}

// Remove returns a policy without a client, or an error with the cause ErrNoClient.
func Remove(text []byte, name string) ([]byte, error) {
	return edit(text, func(clients *yaml.Node) error {
		i := index(clients, name)
		if i < 0 {
			return mainstem.Errorf(mainstem.Invalid, "client %s: %w", short(name), ErrNoClient)
		}
		clients.Content = append(clients.Content[:i], clients.Content[i+1:]...)
		if len(clients.Content) == 0 {
			clients.Style = yaml.FlowStyle
		}
		return nil
	})
}

// edit changes the list of clients of a policy that is right, and leaves one that is.
func edit(text []byte, change func(clients *yaml.Node) error) ([]byte, error) {
	if _, err := Parse(text); err != nil {
		return nil, err
	}
	root, err := document(text)
	if err != nil {
		return nil, err
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value != "clients" {
			continue
		}
		if err := change(root.Content[i+1]); err != nil {
			return nil, err
		}
	}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := errors.Join(enc.Encode(root), enc.Close()); err != nil {
		return nil, mainstem.Errorf(mainstem.Invalid, "the policy cannot be written: %w", err)
	}
	if _, err := Parse(b.Bytes()); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// index is where a client is in the list, or -1.
func index(clients *yaml.Node, name string) int {
	for i, c := range clients.Content {
		for j := 0; j+1 < len(c.Content); j += 2 {
			if c.Content[j].Value == "name" && c.Content[j+1].Value == name {
				return i
			}
		}
	}
	return -1
}
