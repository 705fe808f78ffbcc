package mtls

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// defaultCheckEvery is how often files are looked at, at most.
const defaultCheckEvery = 10 * time.Second

// maxFileSize bounds what is read; a bundle of dozens of CAs is far below it.
const maxFileSize = 1 << 20

// watched is a value that is read from files, and again when they change. A
// change that cannot be read leaves the last good value in use.
type watched[T any] struct {
	files  []string
	parse  func(contents [][]byte) (T, error)
	every  time.Duration
	clock  func() time.Time
	report func(Event)

	mu       sync.Mutex
	value    T
	stamps   []stamp // of the files that value came from
	checked  time.Time
	failures uint64
}

// stamp tells one state of a file from another without reading it.
type stamp struct {
	modified time.Time
	size     int64
}

// start reads the files for the first time; here a fault is the caller's.
func (w *watched[T]) start() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.checked = w.clock()
	_, err := w.reload()
	return err
}

// get returns the value in use after looking at the files, if that is due. One
// caller looks, others wait for it: the files are small and local.
func (w *watched[T]) get() T {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.clock()
	if now.Sub(w.checked) < w.every {
		return w.value
	}
	w.checked = now
	changed, err := w.reload()
	if err != nil {
		w.failures++
		w.report(Event{Kind: EventReloadFailed, File: strings.Join(w.files, ", "), Err: err})
		return w.value
	}
	if changed {
		w.report(Event{Kind: EventReloaded, File: strings.Join(w.files, ", ")})
	}
	return w.value
}

func (w *watched[T]) failed() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failures
}

// reload reads the files unless they look as they did for the value in use. The
// stamps are taken before reading: a change in between is seen next time.
func (w *watched[T]) reload() (bool, error) {
	stamps := make([]stamp, len(w.files))
	same := len(w.stamps) == len(w.files)
	for i, file := range w.files {
		info, err := os.Stat(file)
		if err != nil {
			return false, fmt.Errorf("look at file: %w", err)
		}
		if info.Size() > maxFileSize {
			return false, fmt.Errorf("%s is over %d bytes", file, maxFileSize)
		}
		stamps[i] = stamp{modified: info.ModTime(), size: info.Size()}
		same = same && stamps[i].size == w.stamps[i].size && stamps[i].modified.Equal(w.stamps[i].modified)
	}
	if same {
		return false, nil
	}
	contents := make([][]byte, len(w.files))
	for i, file := range w.files {
		var err error
		if contents[i], err = os.ReadFile(file); err != nil { //nolint:gosec // G304: the operator's own setting
			return false, fmt.Errorf("read file: %w", err)
		}
	}
	value, err := w.parse(contents)
	if err != nil {
		return false, fmt.Errorf("%s: %w", strings.Join(w.files, ", "), err)
	}
	w.value, w.stamps = value, stamps
	return true, nil
}

// authorities is a bundle of CAs.
type authorities struct {
	pool   *x509.CertPool
	expiry time.Time // of the first one to expire
}

// parseAuthorities reads a PEM bundle of one or more CA certificates, roots or
// intermediates; each becomes a trust anchor. Anything else in it is an error: a
// leaf would be pinned, and a half-written file must not pass for a shorter list.
func parseAuthorities(contents [][]byte) (authorities, error) {
	certificates, err := parseChain(contents[0])
	if err != nil {
		return authorities{}, err
	}
	bundle := authorities{pool: x509.NewCertPool()}
	for _, certificate := range certificates {
		if !certificate.BasicConstraintsValid || !certificate.IsCA {
			return authorities{}, fmt.Errorf("certificate %s is no CA", certificate.SerialNumber.Text(16))
		}
		bundle.pool.AddCert(certificate)
		if bundle.expiry.IsZero() || certificate.NotAfter.Before(bundle.expiry) {
			bundle.expiry = certificate.NotAfter
		}
	}
	return bundle, nil
}

// parseIdentity reads our own certificate chain and its key.
func parseIdentity(contents [][]byte) (*tls.Certificate, error) {
	certificate, err := tls.X509KeyPair(contents[0], contents[1])
	if err != nil {
		return nil, fmt.Errorf("read certificate and key: %w", err)
	}
	return &certificate, nil
}

// parseChain reads PEM certificates, at least one and nothing but certificates;
// text between the blocks is a comment.
func parseChain(text []byte) ([]*x509.Certificate, error) {
	whole := string(text)
	var chain []*x509.Certificate
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("PEM block of type %.40q", block.Type)
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("parse certificate: %w", err)
		}
		chain, text = append(chain, certificate), rest
	}
	// pem.Decode passes over what it cannot read; a bundle that was cut off or
	// damaged must not count as a shorter one.
	if blocks := strings.Count(whole, "-----BEGIN"); blocks != len(chain) {
		return nil, fmt.Errorf("%d of %d PEM blocks are damaged", blocks-len(chain), blocks)
	}
	if len(chain) == 0 {
		return nil, errors.New("no certificate in PEM")
	}
	return chain, nil
}
