package link

import (
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"net/http"
	"net/url"

	"github.com/dustin/go-humanize"
)

// policy lets a page do nothing but be read and send its form to where it came from.
const policy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"

// script sends a file: it asks this page for a URL of the backend and puts the file there. It
// knows nothing of its page's token but the address that it stands at.
const script = `
"use strict";
const form = document.forms[0], out = document.querySelector("output");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const file = form.elements.file.files[0];
  if (!file) return;
  out.textContent = "Uploading " + file.name;
  try {
    const asked = await fetch(location.pathname, {method: "POST", body: new URLSearchParams({name: file.name, size: file.size})});
    const got = await asked.json();
    if (!asked.ok) throw new Error(got.message);
    const sent = await fetch(got.url, {method: got.method, headers: got.headers, body: file, credentials: "omit"});
    if (!sent.ok) throw new Error("the storage answered " + sent.status);
    out.textContent = file.name + " has arrived.";
    form.reset();
  } catch (failure) {
    out.textContent = "This did not work: " + failure.message;
  }
});
`

// scriptHash is what a policy names it by.
var scriptHash = func() string {
	sum := sha256.Sum256([]byte(script))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}()

// guard sets what is particular to these pages beside the headers of all answers.
func guard(header http.Header) {
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Robots-Tag", "noindex, nofollow, noarchive")
}

// letUpload lets the script of the page for uploads run, and reach the backend and the page
// itself.
func letUpload(header http.Header, endpoint string) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return // the browser will refuse the script
	}
	backend := (&url.URL{Scheme: u.Scheme, Host: u.Host}).String()
	header.Set("Content-Security-Policy", policy+"; script-src '"+scriptHash+"'; connect-src 'self' "+backend)
}

func show(w http.ResponseWriter, status int, page *template.Template, data any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_ = page.Execute(w, data) // a client that went away is not told
}

// size says how large something is, for people.
func size(bytes int64) string { return humanize.IBytes(uint64(max(0, bytes))) }

func page(title, body string) *template.Template {
	return template.Must(template.New("").Funcs(template.FuncMap{"size": size}).Parse(`<!doctype html>
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
<li><a href="{{.Address}}">{{.Name}}</a> ({{size .Size}})</li>{{end}}
</ul>{{if not .Entries}}
<p>There is nothing here at present.</p>{{end}}{{if .Next}}
<p><a href="{{.Next}}">More</a></p>{{end}}
`)
	uploading = page("Upload", `<h1>{{or .GetDisplayName "Upload"}}</h1>
<form><label>File, {{size .GetMaxUploadBytes}} at most <input type="file" name="file" required></label> <button>Upload</button></form>
<p><output></output></p>
<noscript><p>This page needs a script to send a file. Programs use POST /v1/shares:resolve.</p></noscript>
<script>`+script+`</script>
`)
	trouble = page("Link", `<h1>This did not work</h1>
<p>{{.}}</p>
`)
)
