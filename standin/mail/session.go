package mail

import (
	"errors"
	"io"
	"net/http"

	"github.com/emersion/go-smtp"

	"tillflow/standin/faults"
)

// session is one SMTP connection.
type session struct {
	server *Server
	conn   *smtp.Conn
	from   string
	to     []string
}

func (s *Server) session(conn *smtp.Conn) (smtp.Session, error) {
	return &session{server: s, conn: conn}, nil
}

// Mail begins a message.
func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	return nil
}

// Rcpt adds a recipient.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}

// Reset forgets the message that was begun.
func (s *session) Reset() { s.from, s.to = "", nil }

// Logout ends the connection; there is nothing to free.
func (s *session) Logout() error { return nil }

// Data takes the message in; it is saved before the client is told so.
func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err // the SMTP server words this answer, too large included
	}
	plan := s.server.faults.Plan(opMessage, string(raw))
	if plan.Has(faults.LoseRequest) {
		return s.breakOff()
	}
	if plan.Has(faults.TooManyRequests) {
		return reject(450, smtp.EnhancedCode{4, 7, 1}, "too many messages (fault switch)")
	}
	if text, ok := plan.Decline(); ok {
		return reject(550, smtp.EnhancedCode{5, 7, 1}, text)
	}
	reply := plan.Execute(func(*faults.Plan) faults.Reply {
		if err := s.server.keep(stored{From: s.from, To: s.to, Raw: raw}); err != nil {
			s.server.opts.Log.Error().Err(err).Msg("message not kept")
			return faults.Reply{Status: http.StatusInternalServerError}
		}
		return faults.Reply{Status: http.StatusOK}
	})
	if plan.Has(faults.LoseReply) {
		return s.breakOff()
	}
	if reply.Status != http.StatusOK {
		return reject(451, smtp.EnhancedCode{4, 3, 0}, "local error in processing")
	}
	return nil
}

// breakOff closes the connection; the error is never seen by the client.
func (s *session) breakOff() error {
	if err := s.conn.Conn().Close(); err != nil {
		return err
	}
	return errors.New("connection closed by a fault switch")
}

func reject(code int, enhanced smtp.EnhancedCode, text string) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: text}
}
