package record

// Tags are part of the format: one that was ever in use keeps its meaning for
// good. Which tags a transaction may use is fixed by the version of its
// record, so that all programs agree which transactions are undecodable.

// Fields of the header. headKey is reserved for the key ID of an encrypted
// body, headVector for the dependency vector of other sites. That a log is only
// being prepared changes nothing, so a reader need not understand it.
const (
	headIndex       = 1<<1 | must
	headPrevHash    = 2<<1 | must
	headDatabase    = 3<<1 | must
	headGeneration  = 4<<1 | must
	headIncarnation = 5<<1 | must
	headPartition   = 6<<1 | must
	headNode        = 7 << 1
	headFirst       = 8<<1 | must
	headCount       = 9<<1 | must
	headAge         = 10<<1 | must
	headWall        = 11 << 1
	headBoot        = 12<<1 | must
	headBootTime    = 13<<1 | must
	headLeap        = 14<<1 | must
	headGenesis     = 15<<1 | must
	headSettings    = 16<<1 | must
	headCheckpoint  = 17<<1 | must
	headRefusals    = 18<<1 | must
	headRestored    = 19<<1 | must
	headMember      = 20<<1 | must
	headVote        = 21<<1 | must
	headKey         = 22<<1 | must
	headVector      = 23<<1 | must
	headPrepare     = 24 << 1
	headMoved       = 25<<1 | must
	headSuccessor   = 27<<1 | must

	headKnown = headSuccessor >> 1
	headFree  = 1 << 26 // tags up to headKnown that are not in use
)

// Fields of the target of a move.
const (
	targetGeneration = 1<<1 | must
	targetURL        = 2<<1 | must
	targetBase       = 3<<1 | must
	targetBaseHash   = 4<<1 | must
	targetPace       = 5 << 1

	targetKnown = targetPace >> 1
)

// Fields of a member, and of a vote.
const (
	memberAddress = 1 << 1
	memberZone    = 2 << 1
	memberVersion = 3 << 1
	memberFlushed = 4<<1 | must
	memberGone    = 5<<1 | must
	memberReaches = 6 << 1
	memberNewest  = 9 << 1

	memberKnown = memberNewest >> 1
	memberFree  = 1<<7 | 1<<8

	voteSettled = 1<<1 | must
	voteRange   = 2<<1 | must
	voteDigest  = 3<<1 | must

	voteKnown = voteDigest >> 1
)

// Fields of a genesis.
const (
	genesisPartitions = 1<<1 | must
	genesisSlotEnds   = 2<<1 | must
	genesisCreated    = 3 << 1
	genesisAfter      = 4<<1 | must

	genesisKnown = genesisAfter >> 1
)

// Fields of settings, and of how long one prefix is kept.
const (
	settingsIDAge   = 1<<1 | must
	settingsHistory = 2<<1 | must
	settingsRetain  = 3 << 1

	settingsKnown = settingsRetain >> 1

	keepGroup  = 1<<1 | must
	keepPrefix = 2<<1 | must
	keepAge    = 3<<1 | must

	keepKnown = keepAge >> 1
)

// Fields of a checkpoint.
const (
	checkpointSettled  = 1<<1 | must
	checkpointRange    = 2<<1 | must
	checkpointDigest   = 3<<1 | must
	checkpointNext     = 4<<1 | must
	checkpointHorizons = 5<<1 | must

	checkpointKnown = checkpointHorizons >> 1
)

// Fields of a refusal, and of a transaction up to its attempt: both name an
// attempt in the same way.
const (
	nameGroup   = 1<<1 | must
	nameOpaque  = 2<<1 | must
	nameBorn    = 3<<1 | must
	nameSession = 4<<1 | must
	nameNumber  = 5<<1 | must
	nameLow     = 6<<1 | must
	nameAttempt = 7<<1 | must

	nameKnown = nameAttempt >> 1
)

// Further fields of a transaction.
const (
	txFingerprint = 8<<1 | must
	txEffects     = 9<<1 | must
	txResults     = 10<<1 | must
	txReply       = 11<<1 | must
	txRefused     = 12<<1 | must
	txActor       = 13 << 1
	txRequest     = 14 << 1
	txTrace       = 15 << 1
	txLater       = 16<<1 | must

	txKnown = txLater >> 1
)

// Fields of an effect. A counter is there exactly when the value is one, also
// when it is zero.
const (
	effectKind    = 1<<1 | must
	effectName    = 2<<1 | must
	effectBytes   = 3<<1 | must
	effectCounter = 4<<1 | must
	effectDelta   = 5<<1 | must
	effectEvents  = 6<<1 | must
	effectFirst   = 7<<1 | must
	effectToken   = 8<<1 | must
	effectOwner   = 9<<1 | must
	effectUntil   = 10<<1 | must

	effectKnown = effectUntil >> 1
)

// Fields of an event.
const (
	eventType = 1<<1 | must
	eventData = 2<<1 | must

	eventKnown = eventData >> 1
)

// A result is one byte that says what follows, then those numbers as uvarints
// in this order.
const (
	resultCounter = 1 << iota
	resultLength
	resultToken
)
