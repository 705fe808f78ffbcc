package mail

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"strings"
	"time"
)

const (
	// maxDepth and maxParts bound a multipart message that is nested or split without end.
	maxDepth = 6
	maxParts = 100
)

// Message is one caught message.
type Message struct {
	ID int       `json:"id"`
	At time.Time `json:"at"`
	// From and To are the envelope's, which decide where a message goes; the Header fields are what it says.
	From       string   `json:"from"`
	To         []string `json:"to"`
	HeaderFrom string   `json:"header_from"`
	HeaderTo   string   `json:"header_to"`
	Subject    string   `json:"subject"`
	MessageID  string   `json:"message_id,omitempty"`
	// Text and HTML are the first parts of either kind, decoded.
	Text        string       `json:"text"`
	HTML        string       `json:"html,omitempty"`
	Attachments []Attachment `json:"attachments,omitempty"`
	Bytes       int          `json:"bytes"`
	// Problem says what could not be read; the rest is as far as it went.
	Problem string `json:"problem,omitempty"`
}

// Attachment is a part that is neither the text nor the HTML.
type Attachment struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Bytes int    `json:"bytes"`
}

// parse reads a stored message. It never fails: a catcher shows broken mail too.
func parse(s stored) Message {
	m := Message{ID: s.ID, At: s.At, From: s.From, To: s.To, Bytes: len(s.Raw)}
	mail, err := mail.ReadMessage(bytes.NewReader(s.Raw))
	if err != nil {
		m.Problem = fmt.Sprintf("read header: %v", err)
		m.Text = strings.ToValidUTF8(string(s.Raw), "�")
		return m
	}
	m.Subject = decodeHeader(mail.Header.Get("Subject"))
	m.HeaderFrom = decodeHeader(mail.Header.Get("From"))
	m.HeaderTo = decodeHeader(mail.Header.Get("To"))
	m.MessageID = mail.Header.Get("Message-Id")
	walk := &walker{message: &m}
	if err := walk.part(textproto.MIMEHeader(mail.Header), mail.Body, 0); err != nil {
		m.Problem = err.Error()
	}
	return m
}

// walker descends through the parts of one message.
type walker struct {
	message *Message
	parts   int
}

func (w *walker) part(header textproto.MIMEHeader, body io.Reader, depth int) error {
	w.parts++
	if depth > maxDepth || w.parts > maxParts {
		return fmt.Errorf("more than %d parts or %d levels", maxParts, maxDepth)
	}
	kind, params, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil { // RFC 2045: plain text when the type is missing or unreadable
		kind, params = "text/plain", nil
	}
	if strings.HasPrefix(kind, "multipart/") {
		return w.multipart(multipart.NewReader(body, params["boundary"]), depth)
	}
	content, err := io.ReadAll(decoder(header.Get("Content-Transfer-Encoding"), body))
	if err != nil {
		err = fmt.Errorf("decode %s: %w", kind, err)
	}
	w.leaf(header, kind, params, content)
	return err
}

func (w *walker) multipart(reader *multipart.Reader, depth int) error {
	for {
		part, err := reader.NextRawPart()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read part: %w", err)
		}
		if err := w.part(part.Header, part, depth+1); err != nil {
			return err
		}
	}
}

// leaf files one part: the first text and the first HTML that are not attachments, everything else by name.
func (w *walker) leaf(header textproto.MIMEHeader, kind string, params map[string]string, content []byte) {
	disposition, more, err := mime.ParseMediaType(header.Get("Content-Disposition"))
	if err != nil { // absent or unreadable: shown where its type allows
		disposition, more = "", nil
	}
	attached := disposition == "attachment"
	switch {
	case kind == "text/plain" && !attached && w.message.Text == "":
		w.message.Text = toUTF8(content, params["charset"])
	case kind == "text/html" && !attached && w.message.HTML == "":
		w.message.HTML = toUTF8(content, params["charset"])
	default:
		name := more["filename"]
		if name == "" {
			name = params["name"]
		}
		w.message.Attachments = append(w.message.Attachments, Attachment{
			Name: decodeHeader(name), Type: kind, Bytes: len(content),
		})
	}
}

func decoder(encoding string, body io.Reader) io.Reader {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "quoted-printable":
		return quotedprintable.NewReader(body)
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, body)
	default: // 7bit, 8bit, binary
		return body
	}
}

// toUTF8 reads Latin-1; every other charset is taken for UTF-8, with its misfits replaced.
func toUTF8(content []byte, charset string) string {
	switch strings.ToLower(charset) {
	case "iso-8859-1", "latin1":
		runes := make([]rune, len(content))
		for i, b := range content {
			runes[i] = rune(b)
		}
		return string(runes)
	default:
		return strings.ToValidUTF8(string(content), "�")
	}
}

// decodeHeader reads encoded words; what cannot be read is shown as it came.
func decodeHeader(value string) string {
	decoded, err := new(mime.WordDecoder).DecodeHeader(value)
	if err != nil {
		return strings.ToValidUTF8(value, "�")
	}
	return decoded
}
