package bus

// Permissions are the subjects that a NATS user may publish to and subscribe to.
type Permissions struct {
	Publish, Subscribe []string
}

// Grant adds to Permissions.
type Grant func(*Permissions)

// PermissionsOf returns what a noun's user may do: publish under its own noun and nobody
// else's, look after its own stream, receive on inboxes of its own, and what the grants add.
func PermissionsOf(noun string, grants ...Grant) Permissions {
	stream := StreamName(noun)
	p := Permissions{
		Publish: []string{
			Subjects(noun),
			"$JS.API.INFO",
			"$JS.API.STREAM.INFO." + stream,
			"$JS.API.STREAM.CREATE." + stream,
		},
		Subscribe: []string{inboxPrefix(noun) + ".>"},
	}
	for _, grant := range grants {
		grant(&p)
	}
	return p
}

// MayConsume lets a user have the named consumer of a noun's stream.
func MayConsume(noun, consumer string) Grant {
	stream := StreamName(noun)
	return func(p *Permissions) {
		p.Publish = append(p.Publish,
			"$JS.API.CONSUMER.CREATE."+stream+"."+consumer,
			"$JS.API.CONSUMER.CREATE."+stream+"."+consumer+".>",
			"$JS.API.CONSUMER.INFO."+stream+"."+consumer,
			"$JS.API.CONSUMER.MSG.NEXT."+stream+"."+consumer,
			"$JS.ACK."+stream+"."+consumer+".>",
		)
	}
}

// MayReadBucket lets a user read and watch a key-value bucket.
func MayReadBucket(bucket string) Grant {
	stream := "KV_" + bucket
	return func(p *Permissions) {
		p.Publish = append(p.Publish,
			"$JS.API.STREAM.INFO."+stream,
			"$JS.API.DIRECT.GET."+stream+".>",
			"$JS.API.STREAM.MSG.GET."+stream,
			// A watch is a consumer with a name of its own each time.
			"$JS.API.CONSUMER.CREATE."+stream+".>",
			"$JS.API.CONSUMER.INFO."+stream+".>",
			"$JS.API.CONSUMER.DELETE."+stream+".>",
			"$JS.FC."+stream+".>",
		)
	}
}

// MayWriteBucket lets a user make and write a key-value bucket, and read it.
func MayWriteBucket(bucket string) Grant {
	stream := "KV_" + bucket
	return func(p *Permissions) {
		MayReadBucket(bucket)(p)
		p.Publish = append(p.Publish,
			"$KV."+bucket+".>",
			"$JS.API.STREAM.CREATE."+stream,
			"$JS.API.STREAM.UPDATE."+stream,
		)
	}
}

// inboxPrefix keeps one service from listening to the answers that another gets.
func inboxPrefix(noun string) string { return "_INBOX_" + noun }
