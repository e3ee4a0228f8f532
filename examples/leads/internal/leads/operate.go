package leads

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirfile"
	"github.com/weirhq/weir/weirhttp"
)

// globex is the business that asks for more, as rate-limits.md says one may.
const globex, globexToken = "7", "globex-token"

// quotaFile is a file of quotas in which globex has a quota of its own, or none.
func quotaFile(override string) string {
	if override != "" {
		override = fmt.Sprintf(`"business": {%q: {"quota": %q, "note": "launch"}}`, globex, override)
	}
	return fmt.Sprintf(`{
  "quotas": {"business": %[1]q, "business-intake": %[1]q, "user": %[1]q, "ip": %[1]q},
  "overrides": {%[2]s}
}
`, documented, override)
}

// An operator is who runs the service: what she changes, and what she sees.
type operator struct {
	ctx    context.Context
	out    io.Writer
	base   string // of the service
	path   string // of the quota file
	quotas *weirfile.File
}

// operate shows the same service as its operator and its clients see it: fields,
// quotas that change while it serves, a client that waits, and the page of weirhttp.Debug.
// It is for limits of this process, as the file and the page are.
func operate(ctx context.Context, out io.Writer, svc *service) (err error) {
	dir, err := os.MkdirTemp("", "leads-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	o := &operator{ctx: ctx, out: out, path: filepath.Join(dir, "quotas.json")}
	if err := os.WriteFile(o.path, []byte(quotaFile("")), 0o600); err != nil {
		return err
	}
	if o.quotas, err = weirfile.Open(o.path, svc.local); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	o.base = "http://" + listener.Addr().String()
	debug := weirhttp.NewDebug(svc.local)
	mux := http.NewServeMux() // the page has a port of its own in -serve
	mux.Handle("/debug/weir", debug)
	mux.Handle("/", svc.handler(svc.describe, weirhttp.WithFields(weirhttp.Draft11), weirhttp.WithOnDecision(debug.Observe)))
	served := make(chan error, 1)
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	go func() { served <- serve(serving, listener, mux) }()
	defer func() {
		stop()
		err = errors.Join(err, <-served)
	}()
	fmt.Fprintf(out, "\nThe same service with fields, a quota file and a debug page (business:%s):\n", globex)
	for _, step := range []func() error{o.showFields, o.spendBudget, o.raiseQuota, o.refuseBadFile, o.waitAsTold, o.showDebug} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// get asks for globex's contacts and drops the body.
func (o *operator) get(client *http.Client) (*http.Response, error) {
	r, err := http.NewRequestWithContext(o.ctx, http.MethodGet, o.base+"/contacts", nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+globexToken)
	resp, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp, err
}

func (o *operator) showFields() error {
	resp, err := o.get(http.DefaultClient)
	if err != nil {
		return err
	}
	const name = "RateLimit-Policy"
	fmt.Fprintf(o.out, "  %s: %s\n  RateLimit: %s\n", name, resp.Header.Get(name), resp.Header.Get("RateLimit"))
	if got, want := resp.Header.Get(name), `"business";q=300;w=60`; got != want {
		return fmt.Errorf("%s is %s, want %s", name, got, want)
	}
	return nil
}

// spend asks until it is refused, and reports how often it was admitted.
func (o *operator) spend() (admitted int64, took time.Duration, err error) {
	began := time.Now()
	for {
		resp, err := o.get(http.DefaultClient)
		switch {
		case err != nil:
			return admitted, 0, err
		case resp.StatusCode == http.StatusTooManyRequests:
			return admitted, time.Since(began), nil
		}
		admitted++
	}
}

func (o *operator) spendBudget() error {
	admitted, took, err := o.spend()
	if err != nil {
		return err
	}
	fmt.Fprintf(o.out, "  %d more admitted, then refused\n", admitted)
	if least, most := documented.MaxIn(0)-1, documented.MaxIn(took)-1; admitted < least || admitted > most {
		return fmt.Errorf("business:%s: %d admitted in %v after the first one, want %d to %d", globex, admitted, took, least, most)
	}
	return nil
}

// raiseQuota gives globex 600 in place of 300, as an operator does, by replacing
// the file: what it has spent stays spent, so 300 are left.
func (o *operator) raiseQuota() error {
	raised := weir.Quota{Limit: 600, Period: time.Minute}
	if err := os.WriteFile(o.path, []byte(quotaFile(raised.String())), 0o600); err != nil {
		return err
	}
	if err := o.quotas.Reload(); err != nil {
		return err
	}
	admitted, took, err := o.spend()
	if err != nil {
		return err
	}
	fmt.Fprintf(o.out, "  file reloaded, 600 a minute now: %d more admitted, since 300 stay spent\n", admitted)
	// Some of what was spent before had been earned back when the file was reloaded.
	if least, most := int64(295), 300+int64((took+5*time.Second)/(100*time.Millisecond)); admitted < least || admitted > most {
		return fmt.Errorf("business:%s: %d admitted after its quota was raised, want %d to %d", globex, admitted, least, most)
	}
	return nil
}

func (o *operator) refuseBadFile() error {
	if err := os.WriteFile(o.path, []byte(quotaFile("6000 a minute")), 0o600); err != nil {
		return err
	}
	err := o.quotas.Reload()
	var bad *weirfile.Error
	if !errors.As(err, &bad) {
		return fmt.Errorf("a bad quota file was taken: %v", err)
	}
	fmt.Fprintf(o.out, "  a bad file changes nothing: line %d, %s\n", bad.Line, bad.Field)
	resp, err := o.get(http.DefaultClient)
	if err != nil {
		return err
	}
	if policy := resp.Header.Get("RateLimit-Policy"); !strings.Contains(policy, "q=600") {
		return fmt.Errorf("a bad quota file changed the quota: %s", policy)
	}
	return nil
}

// waitAsTold sends through weirhttp.Transport what was just refused.
func (o *operator) waitAsTold() error {
	attempts := 0
	transport := &weirhttp.Transport{OnAttempt: func(weirhttp.Attempt) { attempts++ }}
	defer transport.CloseIdleConnections()
	if _, _, err := o.spend(); err != nil { // what was earned meanwhile
		return err
	}
	began := time.Now()
	resp, err := o.get(&http.Client{Transport: transport})
	if err != nil {
		return err
	}
	fmt.Fprintf(o.out, "  weirhttp.Transport waits as told: %d attempts, status %d after %.1f s\n", attempts, resp.StatusCode, time.Since(began).Seconds())
	if resp.StatusCode != http.StatusOK || attempts < 2 {
		return fmt.Errorf("weirhttp.Transport: status %d after %d attempts", resp.StatusCode, attempts)
	}
	return nil
}

// showDebug reads the page of weirhttp.Debug as a program does.
func (o *operator) showDebug() error {
	resp, err := http.Get(o.base + "/debug/weir?format=json")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var page struct {
		Partitions []struct {
			Partition string
			Totals    struct{ Admitted, Refused int64 }
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&page); err != nil {
		return err
	}
	for _, p := range page.Partitions {
		if p.Partition != weir.Business.String() {
			continue
		}
		fmt.Fprintf(o.out, "  /debug/weir: %s, %d admitted, %d refused\n", p.Partition, p.Totals.Admitted, p.Totals.Refused)
		if p.Totals.Admitted >= 600 && p.Totals.Refused >= 3 {
			return nil
		}
	}
	return fmt.Errorf("/debug/weir does not show what was just done: %+v", page)
}
