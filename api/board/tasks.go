package board

import (
	"errors"
	"net/http"
	"time"

	"singlewindow/declare"
	"singlewindow/declare/account"
	queries "singlewindow/declare/board"
)

const (
	tasksPath = Root + "tasks"
	mostTasks = 200
)

func (b *board) registerTasks() {
	b.mux.HandleFunc("GET "+tasksPath, b.signedIn(b.tasks))
	b.mux.HandleFunc("POST "+tasksPath+"/{exchange}/close", b.signedIn(b.closeTask, account.Operator))
	b.mux.HandleFunc("GET "+tasksPath+"/{exchange}/notice", b.signedIn(b.openNotice))
	b.mux.HandleFunc("GET "+tasksPath+"/{exchange}/notice/xml", b.signedIn(b.openNoticeRaw))
}

// tasksPage is what the page of tasks shows.
type tasksPage struct {
	Tasks    []taskRow
	More     bool // there are more than are shown
	MayClose bool
	Closed   bool   // one has just been closed
	Fault    string // key: why the last one could not be
	At       string // the task the fault is about
	Note     string // as it was written
	Chosen   declare.Resolution
}

// taskRow is one task.
type taskRow struct {
	queries.Task
	KindKey, WhyKey string
	Age             time.Duration
	Address         string // of its declaration; "" when it has none
	Notice          string // of the notice it is about; "" when it is about a message
	Resolutions     []declare.Resolution
}

// The words an officer can choose from, of a message and of a notice.
var (
	ofMessage = []declare.Resolution{declare.ResolutionDelivered, declare.ResolutionResend, declare.ResolutionAbandon}
	ofNotice  = []declare.Resolution{declare.ResolutionAbandon}
)

// tasks: an agency's official sees its own, an operator closes them, an
// auditor looks on. At a port there are none.
func (b *board) tasks(w http.ResponseWriter, r *http.Request, v visitor) {
	b.showTasks(w, r, v, http.StatusOK, tasksPage{Closed: r.URL.Query().Has("closed")})
}

func (b *board) showTasks(w http.ResponseWriter, r *http.Request, v visitor, status int, page tasksPage) {
	if v.Port != "" {
		b.missing(w, r, v)
		return
	}
	found, err := b.queries.Tasks(r.Context(), v.Scope(), v.Agency, mostTasks+1)
	if err != nil {
		b.fail(w, r, v, err)
		return
	}
	page.MayClose = v.Role == account.Operator
	page.More = len(found) > mostTasks
	for _, task := range found[:min(len(found), mostTasks)] {
		page.Tasks = append(page.Tasks, b.taskRow(task))
	}
	b.renderStatus(w, r, v, status, "tasks", page)
}

func (b *board) taskRow(task queries.Task) taskRow {
	row := taskRow{Task: task, KindKey: "tasks.kind." + task.Kind, Age: b.now().Sub(task.OpenedAt), Resolutions: ofNotice}
	if key := "declaration.reason." + task.Why; b.texts.has(key) {
		row.WhyKey = key
	}
	if task.DeclarationID != "" {
		row.Address, row.Resolutions = declarationAddress(task.Tenant, task.DeclarationID), ofMessage
	} else if exchangeForm.MatchString(task.ID) {
		row.Notice = tasksPath + "/" + task.ID + "/notice"
	}
	return row
}

func (b *board) closeTask(w http.ResponseWriter, r *http.Request, v visitor) {
	id := r.PathValue("exchange")
	r.Body = http.MaxBytesReader(w, r.Body, mostForm)
	if !exchangeForm.MatchString(id) {
		b.missing(w, r, v)
		return
	}
	if err := r.ParseForm(); err != nil {
		b.showTasks(w, r, v, http.StatusBadRequest, tasksPage{Fault: "tasks.fault.form", At: id})
		return
	}
	closing := declare.Closing{Resolution: declare.Resolution(r.PostForm.Get("resolution")), By: v.Name, Note: r.PostForm.Get("note")}
	err := b.gateway.CloseTask(r.Context(), id, closing)
	again := tasksPage{At: id, Note: closing.Note, Chosen: closing.Resolution}
	switch {
	case errors.Is(err, declare.ErrMissing):
		b.missing(w, r, v)
	case errors.Is(err, declare.ErrResolution):
		again.Fault = "tasks.fault.form"
		b.showTasks(w, r, v, http.StatusUnprocessableEntity, again)
	case errors.Is(err, declare.ErrTaskMoved):
		again.Fault = "tasks.fault.moved"
		b.showTasks(w, r, v, http.StatusConflict, again)
	case err != nil:
		b.fail(w, r, v, err)
	default:
		b.log.Info("task closed", "task", id, "resolution", closing.Resolution, "user", v.Name)
		http.Redirect(w, r, tasksPath+"?closed", http.StatusSeeOther)
	}
}

// openNotice shows a notice that belongs to nothing here yet.
func (b *board) openNotice(w http.ResponseWriter, r *http.Request, v visitor) {
	text, known := b.noticeOfTask(w, r, v)
	if !known {
		return
	}
	shown, cut := readable(text.Body)
	b.render(w, r, v, "exchange", exchangePage{
		Title: notices.title, ID: r.PathValue("exchange"), Agency: text.Agency, XML: shown, Cut: cut, Size: groupThousands(len(text.Body)),
		Raw: r.URL.Path + "/xml", Back: tasksPath,
	})
}

func (b *board) openNoticeRaw(w http.ResponseWriter, r *http.Request, v visitor) {
	if text, known := b.noticeOfTask(w, r, v); known {
		b.download(w, r, text.Body, r.PathValue("exchange"))
	}
}

func (b *board) noticeOfTask(w http.ResponseWriter, r *http.Request, v visitor) (queries.Text, bool) {
	id := r.PathValue("exchange")
	if !exchangeForm.MatchString(id) || v.Port != "" {
		b.missing(w, r, v)
		return queries.Text{}, false
	}
	text, err := b.queries.OpenNotice(r.Context(), v.Scope(), id)
	switch {
	case errors.Is(err, declare.ErrMissing):
		b.missing(w, r, v)
	case err != nil:
		b.fail(w, r, v, err)
	}
	return text, err == nil
}
