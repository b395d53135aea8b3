"""Given names and what people call themselves in forms and messengers.

One person's name a line, most formal spelling first; a spelling may stand in several lines (Саша is
Александр and Александра). Spellings that only differ by transliteration need not be listed.
"""

RUSSIAN = """
александр саша саня шура сашка шурик саньок alexander alex sasha aleks sanya олександр alexandre alejandro
александра саша шура саня сашенька alexandra sandra alex олександра
алексей леша лёха лёша алёша лёшка alex alexis олексій олекса aliaksei
анатолий толя толик толян анатолій
андрей андрюша андрюха дрон andrew andreas andrzej андрій andre andres
антон антоха тоша антоша anthony antoni
аркадий аркаша аркадій
арсений сеня арсен арсюша
артём артёмка тёма артемий artyom тёмыч
артур artur arthur артурчик
богдан боня bohdan
борис боря борька
вадим вадик вадя
валентин валя валик valentine
валерий валера валерка валерій valery
василий вася васёк василь василёк basil wasil vasyl
виктор витя витёк victor wiktor віктор
виталий виталик виталя віталій
владимир вова володя вовка вован володимир wladimir volodymyr vladimir влад
владислав влад владик слава владя vladyslav
всеволод сева
вячеслав слава славик вячик viacheslav vyacheslav
геннадий гена генка геннадій gennady
георгий гоша жора гога george георгій jorge georg
герман гера herman
глеб глебушка hleb
григорий гриша гриня gregory григорій hryhoriy gregor
давид дэвид дава david
даниил данил данила даня daniel данило danylo даниель
денис дениска деня диня dennis
дмитрий дима митя димка димон димас дмитро dmitro димуля
евгений женя жека евген yevhen eugene jenya zhenya eugen женёк євген євгеній
егор егорка гоша yehor
иван ваня ванька иванушка john ivan іван vanya ioann иоанн
игорь игорёк гарик гоша ігор ihor
илья илюха илюша ілля illia elijah
иосиф ося joseph йосип
кирилл кирюха кира кирюша cyril кирило kyrylo
константин костя костик костян constantine kostya kostiantyn костянтин
лев лёва лёвушка leo
леонид лёня лёнчик леонід leonid
максим макс maxim max maksym
марат маратик
марк марик mark marcus marc
матвей мотя матюша matthew матвій
михаил миша мишаня мишка michael michail michel mike михайло mykhailo misha miguel
никита никитос микита mykyta
николай коля колян николя nicholas nikolas микола mykola nick nicolas
олег олежка олежек oleh
павел паша павлик пашка paul pavlo павло pablo
пётр петя петруха peter петро pyotr petro pedro pierre
роман рома ромка ромчик roma
руслан русик рус
сергей серёжа серёга серж сергій serhiy serhii serge sergio sergi
станислав стас стасик слава станіслав
степан стёпа stephen stepan
тимофей тима тимоша
тимур тима timur
фёдор федя федька theodore федір fedir
филипп филя philip felipe
эдуард эдик эдя edward едуард eduard
юрий юра юрка юрик юрій yurii
яков яша jacob яків
ярослав ярик слава яра yaroslav
рустам рустик рустам
рамиль рам
ринат ренат
ильдар
азамат
ахмед ахмад ahmed ahmad
магомед мага мухаммед мухаммад muhammad mohammed mohamed mohammad mohamad
ибрагим ibrahim
тигран
армен
арам
ашот
гурген
вазген
аслан
мурат murad мурад
нурлан
ержан
бауыржан
айдар
алина аля алинка
алёна алена лёна алёнка olena
алиса аля alice
алла аллочка
анастасия настя настёна стася анастасія anastasia nastya ася настасья
ангелина геля лина ангеліна
анжела анжелика анжелочка angela angelica
анна аня нюра анечка анюта нюша ann anna anne hanna ганна ася
антонина тоня
валентина валя валюша valentina
валерия лера валерія valeria
варвара варя barbara
василиса вася лиса
вера верочка віра
вероника ника вероніка veronica
виктория вика victoria вікторія viktoriia
виолетта вита летта
галина галя галинка halyna
дарья даша дашка дарина daria darya дарія дашуля
диана діана diana
ева eva eve
евгения женя евгеша євгенія yevheniia eugenia jenya zhenya
екатерина катя катюша катерина catherine kate katerina kateryna ekaterina catalina
елена лена ленка helen олена elena helena леночка алена olena лёля
елизавета лиза лизавета elizabeth єлизавета liza
жанна жанночка zhanna jeanne
зинаида зина
зоя зойка zoe
инна инночка
ирина ира иришка ірина irene iryna irina ируся
карина кариша
кира кирочка kyra
кристина кристи christina христина кристина
ксения ксюша оксана ксеня ксенія оксана xenia kseniia oksana
лариса лара
лидия лида lydia лідія
лилия лиля лілія lily
любовь люба любаша lyubov liubov
людмила люда мила люся liudmyla ludmila
маргарита рита марго margarita margaret
марина маринка мариша marina
мария маша маруся маня mary maria maria marie марія мари masha manya
милана мила
надежда надя надюша hope надія nadiia
наталья наташа ната наталия наталія natalie natasha nataly туся
нина ниночка
оксана ксюша ксана oksana
олеся леся
ольга оля оленька olha helga
полина поля полинка paulina
раиса рая
регина
римма
светлана света светик світлана svitlana лана
снежана
софия соня софья софа софія sophia sophie sofia sonya
таисия тася тая
тамара тома томочка
татьяна таня танюша тетяна tetiana tanya tatiana танечка
ульяна уля
эвелина эля ева
эльвира эля
эмма emma
юлия юля ulia юлька юлиана julia юлія yuliia julie julija
яна яночка jana
гульнара гуля
гузель
айгуль
динара дина
диляра диля
карине
лейла leila
зарина зара
мадина
фатима fatima
альбина аля
алсу
наиля
эльмира эля
"""

ENGLISH = """
aaron ron
abigail abby gail
adam ad
albert al bert bertie
alfred al fred alf
amanda mandy
amy aimee
anthony tony antonio toni antony
arthur art artie
barbara barb babs
benjamin ben benny benji
bradley brad
brian bryan bryant
cameron cam
carl karl carlos
caroline carol carrie carolyn
catherine kathy kate katie cathy kat katherine kathryn katharina cat
charles charlie chuck charly
charlotte lottie charlie
christine chris chrissy christina tina kristin kirsten
christopher chris kit topher
daniel dan danny
david dave davy
deborah debbie deb debra
dennis denny
donald don donnie
dorothy dot dottie
douglas doug
edward ed eddie ted ned
eleanor ellie nell elinor
elizabeth liz beth betty lizzie eliza bess elisabeth isabel
emily em emmy
eric erik
ernest ernie
eugene gene
frances fran frannie
francis frank fran francisco
franklin frank
frederick fred freddie freddy rick
gabriel gabe
gerald gerry jerry
geoffrey geoff jeff
gregory greg
harold harry hal
henry harry hank heinrich enrique
howard howie
isaac ike
jacob jake jakob
jacqueline jackie
james jim jimmy jamie jaime
jane jenny janie
janet jan
jason jay
jeffrey jeff
jennifer jen jenny jenn
jeremy jerry jem
jessica jess jessie
joanna jo joan joanne
john jack johnny jon johann juan jean
jonathan jon jonny johnathan
joseph joe joey josef jose
joshua josh
judith judy
kenneth ken kenny
kevin kev
kimberly kim
laura laurie
lauren laurie
lawrence larry laurence
leonard leo len lenny
leslie les
linda lindy lin
lisa liza
louis lou louie lewis luis
lucy lucille lucie
margaret maggie meg peggy marge margie
mark marc marcus marco
martin marty
mary molly polly marie maria
matthew matt matty mathew
megan meg
melissa mel missy
michael mike mick mickey michel miguel michal
michelle shelly
mitchell mitch
nancy nan
natalie nat
nathan nate nat nathaniel
nicholas nick nicky
nicole nicky nikki
oliver ollie olivier
olivia liv livvy
pamela pam
patricia pat patty trish tricia
patrick pat paddy
peter pete
philip phil phillip
raymond ray
rebecca becky becca
richard rick dick rich richie ricardo
robert bob rob bobby robbie bert roberto
roger rodge
ronald ron ronnie
rosemary rose rosie
roxanne roxy
russell russ
samantha sam
samuel sam sammy
sandra sandy
sarah sara sally
sean shaun shawn
simon si
stephanie steph stefanie
stephen steve steven stephan stefan
stuart stu stewart
susan sue susie suzanne
sylvia silvia
terence terry
theodore ted theo teddy
theresa terry teresa tess
thomas tom tommy tomas
timothy tim timmy
tyler ty
gary gaz
karen kaz
shirley shirl
rachel rach rachael
kelly kel
scott scotty
wayne
keith
ralph
shannon
veronica ronnie
victor vic
vincent vince vinny
virginia ginny
walter walt wally
william will bill billy liam willy guillermo wilhelm
zachary zach zack
"""

EUROPEAN = """
andrea
alain
alban
alberto beto
alessandro alex sandro
alfonso
alvaro
andreas andi
anja
annette
antoine toine
antonio toni antonio
astrid
beate
bernard bernd bernhard
birgit
carmen
céline
charles charly
christian chris christiaan cristian
christoph chris christophe
claire
claudia claude
cristina cris
dieter
dirk
dominik dominique
elena
elisabeth lisa elisa liesel elise sissi betti isabelle isabel
emmanuel manu
enrique quique
esteban
fabian fabien
fernando nando
florian flo
franziska franzi
françois
friedrich fritz
gabriele gabi gabriela
georg schorsch jörg
gerhard gerd
guillaume
günter günther
hans johannes johann hannes
heike
heinz heinrich
helmut
holger
horst
ignacio nacho
ingrid
jan
javier javi
jens
joachim jochen achim
jorge
josé pepe jose
juan juanito
jürgen
julien jules
karin
katharina kathi katrin kathrin käthe katja
katja
klaus nikolaus claus
laurent
lucas lukas
luis lucho
lutz ludwig
luca
manfred manni
manuel manolo
marcel
margarethe gretel grete margarita margit
maría mari maria marie
martin martín martina
matthias mathias matze
maximilian max maxi
michael michi micha michel michèle
miguel
monika moni monica monique
nadine
olivier
paul paulo pablo
petra
philippe
pierre
rafael rafa raphael
rainer reiner
ramón
raúl
renate
robert röbi
rolf rudolf rudi
sabine
santiago santi
sébastien seb sebastian basti sebastián
sergio
silke
stefan steffen stephan stéphane
susanne susi sanne suse
sylvie sylvia
tobias tobi
torsten thorsten
ulrich uli ulli
ursula uschi ulla
ute
uwe
véronique
vicente
volker
walter
werner
wolfgang wolf
xavier xavi
yves
"""
