"""English stop words: the closed word classes, which have grammar but no subject, and contractions.

Lists that other packages ship also have words about a subject, such as "system", "bill", "fire", "interest", "computer"
and "cry"; this one has none. It is written by word class, so that it is easy to see what is missing.
"""

ARTICLES_AND_DETERMINERS = """
    a an the this that these those such same other another others each every either neither both all any some no none
    half several few fewer fewest many more most much less least enough own certain various whatever whichever which
    what whose"""

PRONOUNS = """
    i me my mine myself we us our ours ourselves you your yours yourself yourselves he him his himself she her hers
    herself it its itself they them their theirs themselves themself one ones oneself who whom whoever whomever someone
    somebody something anyone anybody anything everyone everybody everything nobody nothing thee thou thy"""

PREPOSITIONS = """
    about above across after against along alongside amid among amongst around as at atop before behind below beneath
    beside besides between beyond by concerning despite down during except excluding following for from in including
    inside into like near of off on onto opposite out outside over per regarding since than through throughout till to
    toward towards under underneath unlike until up upon versus via with within without vs"""

CONJUNCTIONS = """
    and or nor but yet so if unless because although though whereas while whilst when whenever where wherever whether
    once lest provided albeit hence thus therefore however moreover furthermore nevertheless nonetheless otherwise
    meanwhile whereby wherein whereupon thereby therein thereof thereafter hereafter hereby herein"""

AUXILIARIES = """
    am is are was were be been being have has had having do does did done doing can could may might must shall should
    will would ought cannot"""

ADVERBS = """
    not never ever always often sometimes usually rarely seldom again already almost also too very quite rather really
    just only even still then there here now today how why else instead perhaps maybe indeed anyway anyhow somehow
    somewhat somewhere anywhere everywhere nowhere elsewhere sometime soon later ago away apart together alone mostly
    mainly merely simply actually basically certainly clearly definitely especially hardly nearly namely
    obviously particularly possibly presumably probably recently seemingly currently eventually finally formerly former
    latter latterly previously afterwards afterward beforehand twice thrice further please well thru yes ok okay oh ah
    etc eg ie"""

VERBS = """
    get gets getting got gotten go goes going gone went come comes coming came make makes making made take takes taking
    took taken give gives giving gave given let lets put puts seem seems seemed seeming see keep keeps kept become
    becomes became becoming"""

NUMERALS = """
    two three four five six seven eight nine ten eleven twelve fifteen twenty thirty forty fifty sixty hundred first
    second third last next"""

CONTRACTIONS = """
    ain't aren't can't couldn't daren't didn't doesn't don't hadn't hasn't haven't isn't mayn't mightn't mustn't needn't
    oughtn't shan't shouldn't wasn't weren't won't wouldn't
    i'm i've i'd i'll you're you've you'd you'll he's he'd he'll she's she'd she'll it's it'd it'll we're we've we'd
    we'll they're they've they'd they'll that's that'd that'll these're there's there'd there'll here's what's what're
    what'd what'll who's who'd who'll who're who've where's where'd when's why's how's how'd let's one's
    could've should've would've might've must've y'all o'er ne'er e'er 'tis 'twas 'em
    someone's somebody's anyone's everyone's everybody's nobody's something's nothing's"""

#: Contractions that people write without the apostrophe, if the result is not another word ("well", "ill", "wed").
WITHOUT_APOSTROPHE = """
    aint arent cant couldnt didnt doesnt dont hadnt hasnt havent isnt mustnt neednt shouldnt wasnt werent wont wouldnt
    im ive youre youve youll hes theyre theyve theyll thats theres heres whats wheres couldve shouldve wouldve"""
