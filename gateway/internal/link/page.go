package link

import (
	"html/template"
	"net/http"
	"net/url"
)

// policy lets a page do nothing but be read and send its form to where it came from.
const policy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"

// guard sets what is particular to these pages beside the headers of all answers.
func guard(header http.Header) {
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Robots-Tag", "noindex, nofollow, noarchive")
}

// letFormTo lets the form of a page go to the backend too, and come back.
func letFormTo(header http.Header, address string) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return // the browser will refuse it
	}
	header.Set("Content-Security-Policy", policy+" "+(&url.URL{Scheme: u.Scheme, Host: u.Host}).String())
}

func show(w http.ResponseWriter, status int, page *template.Template, data any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_ = page.Execute(w, data) // a client that went away is not told
}

func page(title, body string) *template.Template {
	return template.Must(template.New("").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>` + title + `</title>
` + body))
}

var (
	asking = page("Password", `<h1>This link asks for a password</h1>{{if .Wrong}}
<p>That was not the password.</p>{{end}}
<form method="post" action="{{.Self}}"><label>Password <input type="password" name="password" maxlength="128" required autofocus></label>
<button>Open</button></form>
`)
	file = page("Download", `<h1>{{.GetName}}</h1>
<p><a href="{{.GetUrl}}">Download</a> (within a minute; then open the link again)</p>
`)
	listing = page("Files", `<h1>{{or .Share.GetDisplayName "Files"}}</h1>
<ul>{{range .Entries}}
<li><a href="{{.Address}}">{{.Name}}</a> ({{.Size}} bytes)</li>{{end}}
</ul>{{if not .Entries}}
<p>There is nothing here at present.</p>{{end}}{{if .Next}}
<p><a href="{{.Next}}">More</a></p>{{end}}
`)
	naming = page("Upload", `<h1>{{or .Share.GetDisplayName "Upload"}}</h1>
<form method="post" action="{{.Self}}"><label>Name of the file, such as report.pdf <input name="name" maxlength="150" required></label>
<button>Go on</button></form>
<p>A file may have {{.Share.GetMaxUploadBytes}} bytes.</p>
`)
	form = page("Upload", `<h1>Choose the file</h1>
<form method="post" action="{{.GetUrl}}" enctype="multipart/form-data">{{range $name, $value := .GetFields}}
<input type="hidden" name="{{$name}}" value="{{$value}}">{{end}}
<input type="file" name="file" required> <button>Upload</button></form>
<p>Begin within five minutes; then open the link again.</p>
`)
	arrived = page("Uploaded", `<h1>Your file has arrived</h1>
<p>You can close this page.</p>
`)
	trouble = page("Link", `<h1>This did not work</h1>
<p>{{.}}</p>
`)
)
