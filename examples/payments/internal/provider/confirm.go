package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/mainstemdb/mainstem/examples/payments/internal/pace"
	"github.com/mainstemdb/mainstem/examples/payments/internal/wire"
)

// confirm calls back until a pod takes it. The second confirmation of a charge
// comes together with the first one, to another pod, and the third one late.
func (p *Provider) confirm(m wire.Confirmation, nth int) {
	body, err := json.Marshal(m)
	if err != nil {
		return // of numbers and text: it cannot fail
	}
	if nth == 2 && pace.Pause(p.ctx, late) != nil {
		return
	}
	for attempt := nth + len(body); ; attempt++ {
		err := p.tell(p.ctx, p.pods[attempt%len(p.pods)], body)
		if err == nil || pace.Pause(p.ctx, 200*time.Millisecond) != nil {
			return
		}
	}
}

func (p *Provider) tell(ctx context.Context, pod string, body []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+pod+"/confirmations", bytes.NewReader(body))
	if err != nil {
		return err
	}
	answer, err := p.client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("pod %s answered %s", pod, answer.Status)
	}
	return nil
}
