package session

import "strings"

// browsers and systems are what user agents give themselves away by, the telling ones first:
// each browser also calls itself by the names of older ones.
var (
	browsers = []struct{ mark, name string }{
		{"Edg/", "Edge"},
		{"EdgA/", "Edge"},
		{"EdgiOS/", "Edge"},
		{"OPR/", "Opera"},
		{"SamsungBrowser/", "Samsung Internet"},
		{"Vivaldi/", "Vivaldi"},
		{"FxiOS/", "Firefox"},
		{"Firefox/", "Firefox"},
		{"CriOS/", "Chrome"},
		{"Chrome/", "Chrome"},
		{"Safari/", "Safari"},
	}
	systems = []struct{ mark, name string }{
		{"iPhone", "iPhone"},
		{"iPad", "iPad"},
		{"Android", "Android"},
		{"CrOS", "ChromeOS"},
		{"Windows", "Windows"},
		{"Macintosh", "macOS"},
		{"Linux", "Linux"},
	}
)

// Device names the browser and the system of the login for people to recognise, as far as the
// user agent tells; nothing relies on it, since anybody can send any.
func (s Session) Device() string {
	find := func(known []struct{ mark, name string }) string {
		for _, k := range known {
			if strings.Contains(s.UserAgent, k.mark) {
				return k.name
			}
		}
		return ""
	}
	browser, system := find(browsers), find(systems)
	switch {
	case browser == "":
		return system
	case system == "":
		return browser
	default:
		return browser + " on " + system
	}
}
