package object

import (
	"regexp"
	"unicode/utf8"
)

// What a tag may be, by the rules of S3.
const (
	maxTags     = 10
	maxTagName  = 128
	maxTagValue = 256
)

var tagText = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)

// checkTags reports tags that a backend would not take.
func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return invalid("tags", "COUNT", "an object has 10 tags at most")
	}
	for name, value := range tags {
		if name == "" || utf8.RuneCountInString(name) > maxTagName || utf8.RuneCountInString(value) > maxTagValue ||
			!tagText.MatchString(name) || !tagText.MatchString(value) {
			return invalid("tags", "TAG", "use letters, digits, spaces and _ . : / = + - @: 1 to 128 in a name, 256 at most in a value")
		}
	}
	return nil
}
