package store

import (
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tillflow/internal/payment"
)

// failure turns an error of the database into one of ours and says what was
// being done. It is the only place that reads SQLSTATE. Values of rows never
// enter the text: the database's own message may hold some and stays in the cause.
func failure(action string, err error) error {
	if err == nil {
		return nil
	}
	if _, ours := errors.AsType[*payment.Error](err); ours {
		return fmt.Errorf("%s: %w", action, err)
	}
	if none(err) {
		return &payment.Error{Class: payment.NotFound, Code: "no_row", Message: action + ": no such row", Err: err}
	}
	if db, ok := errors.AsType[*pgconn.PgError](err); ok {
		class := classOf(db.Code)
		message := action + ": refused by the database"
		if class == payment.Unavailable {
			message = action + ": the database cannot serve it now"
		}
		return &payment.Error{Class: class, Code: orElse(db.ConstraintName, db.Code), Message: message, Err: err}
	}
	if _, scan := errors.AsType[pgx.ScanArgError](err); scan {
		return &payment.Error{Class: payment.Bug, Code: "scan", Message: action + ": a row does not fit its type", Err: err}
	}
	// Everything else is a connection that broke or was never there, or a
	// caller who ran out of time. The transaction may have been committed, and
	// repeating it changes nothing then.
	return &payment.Error{Class: payment.Unavailable, Message: action + ": the database is out of reach", Err: err}
}

// classOf reads an SQLSTATE (PostgreSQL documentation, appendix A).
func classOf(code string) payment.Class {
	switch code {
	case "23505": // unique_violation
		return payment.Conflict
	case "40001", "40P01", // serialization_failure, deadlock_detected
		"55P03", "57014", // lock_not_available, query_canceled: a time limit of ours
		"25P03",                   // idle_in_transaction_session_timeout
		"57P01", "57P02", "57P03", // shutting down, crashed, starting
		"25006": // read_only_sql_transaction: a failover that has not ended
		return payment.Unavailable
	}
	switch {
	case strings.HasPrefix(code, "08"), strings.HasPrefix(code, "53"), strings.HasPrefix(code, "58"):
		return payment.Unavailable // connection, resources, system
	}
	return payment.Bug
}

// known refuses an id that cannot name a row, before the database is asked.
func known(what, id string) error {
	if uuid.Validate(id) != nil {
		return &payment.Error{Class: payment.NotFound, Code: "no_row", Message: what + " does not exist"}
	}
	return nil
}

func conflict(code, format string, args ...any) error {
	return &payment.Error{Class: payment.Conflict, Code: code, Message: fmt.Sprintf(format, args...)}
}

func invalid(code, format string, args ...any) error {
	return &payment.Error{Class: payment.Invalid, Code: code, Message: fmt.Sprintf(format, args...)}
}

func bug(code, format string, args ...any) error {
	return &payment.Error{Class: payment.Bug, Code: code, Message: fmt.Sprintf(format, args...)}
}
