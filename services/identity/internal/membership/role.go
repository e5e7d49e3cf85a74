package membership

// Role is what a member may do in an account. Its names are those that tokens carry.
type Role string

// The roles.
const (
	// Owner may do everything; an account always has one.
	Owner Role = "owner"
	// Admin may do everything but what concerns owners.
	Admin Role = "admin"
	// Developer handles buckets, keys and objects.
	Developer Role = "developer"
	// Billing handles invoices and usage.
	Billing Role = "billing"
	// Viewer reads.
	Viewer Role = "viewer"
	// External sees what was granted one by one.
	External Role = "external"
)

// ranks is the order of the roles: nobody grants, changes or takes what ranks above
// themselves. Developer and billing are peers.
var ranks = map[Role]int{Owner: 5, Admin: 4, Developer: 3, Billing: 3, Viewer: 2, External: 1}

// Valid reports whether the role is one of an account.
func (r Role) Valid() bool { return ranks[r] > 0 }

// Above reports whether r ranks above other.
func (r Role) Above(other Role) bool { return ranks[r] > ranks[other] }

// Manages reports whether the role may manage members and keys at all.
func (r Role) Manages() bool { return r == Owner || r == Admin }
