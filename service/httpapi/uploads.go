package httpapi

import (
	"net/http"
	"time"

	"github.com/lunchrush/lunchrush/service"
)

// The bounds on an upload.
const (
	maxUpload        = 1 << 20
	maxUploadRecords = 10_000
	maxContent       = 1024 // characters of a record
	maxVoided        = 8 << 20
	maxFill          = 10_000_000
)

type uploadAnswer struct {
	BatchID string              `json:"batch_id"`
	State   service.UploadState `json:"state"`
}

// takeUpload answers a batch when it is safe. As was (ingest.mode sync), when all of it is done, on a thread of its own that
// nobody counts.
func (a *api) takeUpload(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Caller  string                 `json:"caller"`
		BatchID string                 `json:"batch_id"`
		Records []service.UploadRecord `json:"records"`
	}
	body, err := readBody(w, r, maxUpload)
	if err == nil {
		err = decode(body, &q)
	}
	if err == nil {
		err = checkUpload(q.Caller, q.BatchID, q.Records)
	}
	var state service.UploadState
	if err == nil {
		state, err = a.Uploads.Take(r.Context(), service.UploadBatch{Caller: q.Caller, BatchID: q.BatchID, Records: q.Records})
	}
	if err != nil {
		a.fail(w, r, err)
		return
	}
	status := http.StatusAccepted
	if state == service.UploadDone {
		status = http.StatusOK
	}
	writeJSON(w, status, uploadAnswer{q.BatchID, state})
}

func checkUpload(caller, batchID string, records []service.UploadRecord) error {
	if !isID(caller) || !isID(batchID) || len(records) == 0 || len(records) > maxUploadRecords {
		return &badRequest{http.StatusBadRequest, "caller and batch_id are required, and 1 to 10000 records"}
	}
	for _, r := range records {
		if !isID(r.ID) || len(r.Content) > maxContent {
			return &badRequest{http.StatusBadRequest, "record_id is required; content is at most 1024 bytes"}
		}
	}
	return nil
}

func (a *api) readUpload(w http.ResponseWriter, r *http.Request) {
	b := service.UploadBatch{Caller: r.PathValue("caller"), BatchID: r.PathValue("batch_id")}
	err := service.ErrUnknownBatch
	if isID(b.Caller) && isID(b.BatchID) {
		b, err = a.Uploads.Batch(r.Context(), b.Caller, b.BatchID)
	}
	if err != nil {
		a.fail(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, uploadAnswer{b.BatchID, b.State})
}

func (a *api) putVoided(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Records []service.Voided `json:"records"`
		Fill    int              `json:"fill"`
	}
	body, err := readBody(w, r, maxVoided)
	if err == nil {
		err = decode(body, &q)
	}
	if err == nil && (q.Fill < 0 || q.Fill > maxFill) {
		err = &badRequest{http.StatusBadRequest, "fill is not 0 to 10000000"}
	}
	for _, v := range q.Records {
		if err == nil && (!isID(v.Caller) || !isID(v.RecordID)) {
			err = &badRequest{http.StatusBadRequest, "caller and record_id are required"}
		}
	}
	if err == nil {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(10 * time.Minute)) // millions of rows outlast the server's bound
		err = a.Store.PutVoided(r.Context(), q.Records, q.Fill)
	}
	if err != nil {
		a.fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
