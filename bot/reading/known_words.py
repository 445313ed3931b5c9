"""Short lists of words that spellings and capitals are judged by. Data only; all in small letters. It decides nothing."""

from __future__ import annotations

_COMMON = """
    us it who is am or an as at be by do go he if in me my no of on so to up we aid act
"""
_TOWNS = """
    iran iraq china russia syria israel gaza cuba chad mali niger togo benin ghana kenya sudan libya egypt oman
    qatar yemen india nepal japan korea laos spain france italy malta greece cyprus serbia kosovo latvia poland
    norway sweden turkey minsk moscow kyiv kiev sochi paris london berlin vienna rome prague sofia riga hague
    davos brest grodno россия китай иран сирия минск москва киев сочи брест гродно
"""
_HEADS = """
    putin biden trump obama bush macron merkel scholz merz sunak orban fico duda tusk modi xi assad erdogan abe
    lavrov shoigu maduro castro kim meloni rutte stubb dodik vucic maas blair brown
    путин байден трамп обама буш макрон шольц мерц орбан фицо дуда туск асад лавров шойгу ким
"""
_INITIALS = """
    us usa uk eu un nato osce unhcr unesco unicef who imf wto opec cis csto eaeu brics asean cia fbi nsa dhs
    kgb gru fsb svr sbu mfa mp mps pm ceo bbc cnn afp ap rfe rl dw tass nbc abc cbs npr icc icj iaea icao itu
    g7 g20 uae drc dprk prc ussr bsf idf irgc plo hamas isis isil aids hiv covid gdp vat ngo ngos uav lng
    сша оон ес нато обсе одкб снг еаэс брикс мид кгб фсб гру свр сбу мвд цру фбр воз мвф вто кнр кндр оаэ
    ссср всу цик тасс дтп зша аан еу аас
"""
_BODIES = """
    academy agency alliance army assembly association authority bank board bureau center centre chamber church
    city club command commission committee company confederation conference congress corporation council country
    court department district duma embassy federation force forces forum foundation front fund government group
    guard house industries institute international island islands kingdom league media ministry mission movement
    nations network news office organisation organization parliament party police post press region republic
    security senate service society soviet state states street times tribunal union university watch zone
"""
_OFFICES = """
    mr mrs ms miss mx dr prof professor sir lord lady dame president ex-president vice-president premier minister
    secretary secretary-general chancellor general colonel major captain lieutenant admiral marshal sergeant
    commander senator congressman congresswoman representative governor mayor ambassador envoy commissioner
    deputy speaker leader ruler chief head chairman chairwoman chair director judge justice attorney king queen
    prince princess emperor pope bishop archbishop patriarch metropolitan father rabbi imam sheikh ayatollah
    dictator strongman oligarch tycoon candidate incumbent spokesman spokeswoman coach comrade citizen
    herr frau präsident präsidentin machthaber diktator staatschef kanzler kanzlerin
    monsieur madame m mme président présidente ministre pan pani prezydent kanclerz dyktator
    przewodniczący przewodnicząca wiceprezydent komisarz senator marszałek poseł generał gubernator
    prezident prezidentka viceprezident premiér ministr předseda předsedkyně komisař komisařka kancléř kancléřka
    predsednik predsednica podpredsednik podpredsednica komisar kandidat kancler kanclerka premierka
    президент премьер премьер-министр министр глава лидер диктатор генерал сенатор губернатор мэр депутат
    посол господин госпожа товарищ король канцлер секретарь спикер судья полковник
    прэзідэнт прэм'ер міністр кіраўнік лідар дыктатар спадар спадарыня пан пані
    президентка прем'єр прем'єр-міністр міністр голова лідер пане посол
"""
_PARTICLES = "von van der den de da di du la le las los del della dos das al el bin ibn zu zur ten ter af av y e i"
_OPENING = """
    yesterday today tomorrow tonight now later earlier still even only both neither nor yet thus hence though although
    because since until unless despite during like unlike under against without did does do should might must
    monday tuesday wednesday thursday friday saturday sunday again once here there never often soon perhaps maybe
    why how yes asked told
    sam sama sám sami również jednak natomiast dlatego podle však proto
    вчера сегодня завтра сейчас теперь позже ранее однако также если когда хотя потом затем тогда почему как
"""
_PLACING = (
    "in at on near after before since during by around outside inside в во на у под после до з у ў на im am in bei"
)

# Acronyms that are also words: in a line of capitals they prove nothing.
COMMON = frozenset(_COMMON.split())
# Names that are short enough to pass for acronyms when typed in capitals.
SHORT_NAMES = frozenset(_TOWNS.split()) | frozenset(_HEADS.split())
# Acronyms that stay ones in a query typed in capitals throughout.
ACRONYMS = frozenset(_INITIALS.lower().split())
# Last words of organisations and places, which are no surnames although the whole looks like a name.
BODIES = frozenset(_BODIES.split())
# Words that stand before a person's surname and are no given name, in the endings of German compounds too.
OFFICES = frozenset(_OFFICES.split())
OFFICE_ENDINGS = ("minister", "ministerin", "präsident", "präsidentin", "chef", "chefin", "kanzler", "sprecher")
# What stands in small letters within a surname ("von der Leyen").
PARTICLES = frozenset(_PARTICLES.split())
# Words that open a sentence besides the languages' stop words; of those, what is a given name too.
OPENING = frozenset(_OPENING.split())
GIVEN_NAMES_TOO = frozenset({"will", "may"})
# With these a sentence opens that names a place or a time first ("In Minsk Lukashenko said").
PLACING = frozenset(_PLACING.split())
