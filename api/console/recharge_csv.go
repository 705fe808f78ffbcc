package console

import (
	"bytes"
	"encoding/csv"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tillflow/internal/payment"
	"tillflow/internal/recharge"
)

// maxExport bounds one file; what is more is cut into periods by who wants it.
const maxExport = 50_000

// exportCharges hands out what the form selects as a file for spreadsheets. It has
// the notes, so it asks for a role that may read them, and the audit notes it.
func (h *Handler) exportCharges(c echo.Context) error {
	f, problem, err := h.chargeForm(c)
	if err == nil && problem != "" {
		err = payment.Errorf(payment.Invalid, "%s", strings.TrimSuffix(problem, "."))
	}
	if err == nil {
		err = h.noteCharges(c, "recharge.export", f)
	}
	if err != nil {
		return h.answer(c, err)
	}
	f.Before = ""
	// Written whole before anything is sent: half a file looks like a whole one.
	var file bytes.Buffer
	w := csv.NewWriter(&file)
	if err := w.Write(csvColumns()); err != nil {
		return h.answer(c, err)
	}
	search, rows := f.search(), 0
	search.Texts, search.Limit = true, 500
	for {
		found, err := h.o.Recharge.FailedCharges(c.Request().Context(), search)
		if err != nil {
			return h.answer(c, err)
		}
		if rows += len(found.List); rows > maxExport {
			return h.answer(c, payment.Errorf(payment.Invalid, "more than %d charges fit: choose a shop or a period", maxExport))
		}
		for _, charge := range found.List {
			if err := w.Write(csvRow(charge)); err != nil {
				return h.answer(c, err)
			}
		}
		if search.Before = found.Next; search.Before.ID == "" {
			break
		}
	}
	if w.Flush(); w.Error() != nil {
		return h.answer(c, w.Error())
	}
	c.Response().Header().Set("Content-Disposition", `attachment; filename="failed-charges-`+h.o.Now().UTC().Format(time.DateOnly)+`.csv"`)
	return c.Blob(http.StatusOK, "text/csv; charset=utf-8", file.Bytes())
}

func csvColumns() []string {
	return []string{
		"charge", "shop", "status", "error_type", "category", "given_up", "attempts", "amount", "currency", "recharge_customer", "shopify_customer",
		"shopify_order", "kind", "processor", "transaction", "scheduled_at", "retry_at", "changed_at", "found_at", "told_at", "note", "error",
	}
}

func csvRow(f recharge.Failed) []string {
	amount := ""
	if f.Amount.Currency != "" {
		amount = f.Amount.Decimal()
	}
	row := []string{
		strconv.FormatInt(f.ChargeID, 10), f.Shop, string(f.Status), f.ErrorType, string(f.Category), strconv.FormatBool(f.Exhausted),
		strconv.FormatInt(f.Attempts, 10), amount, string(f.Amount.Currency), numberOrNone(f.CustomerID), f.ShopifyCustomer, f.ShopifyOrder,
		f.Kind, f.Processor, f.TransactionID, csvTime(f.ScheduledAt), csvTime(f.RetryAt), csvTime(f.ChangedAt), csvTime(f.FoundAt), csvTime(f.ReportedAt),
		f.Texts.Note, f.Texts.Error,
	}
	for i := range row {
		row[i] = harmless(row[i])
	}
	return row
}

func numberOrNone(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

func csvTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// harmless keeps a spreadsheet from reading a cell as a formula (OWASP, CSV
// Injection): what others wrote may begin like one.
func harmless(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", []rune(cell)[0]) {
		return "'" + cell
	}
	return cell
}
