"""Given names and what people call themselves in forms and messengers.

One person's name a line, most formal spelling first; a spelling may stand in several lines (Саша is
Александр and Александра). Spellings that only differ by transliteration need not be listed.
"""

RUSSIAN = """
александр саша саня шура сашка шурик саньок alexander alex sasha
александр aleks sanya олександр alexandre alejandro сашко сань алекс олесь лесь
александра саша шура саня сашенька alexandra sandra alex олександра сашуля шурочка лександра
алексей леша лёха лёша алёша лёшка alex alexis олексій олекса aliaksei льоша лоша
анатолий толя толик толян анатолій
андрей андрюша андрюха дрон andrew andreas andrzej андрій andre andres
антон антоха тоша антоша anthony antoni тоха тошка антошка тонич
аркадий аркаша аркадій
арсений сеня арсен арсюша
артём артёмка тёма артемий artyom тёмыч тёмка тема артемон
артур artur arthur артурчик
богдан боня bohdan
борис боря борька
вадим вадик вадя
валентин валя валик valentine
валерий валера валерка валерій valery лера валерик
василий вася васёк василь василёк basil wasil vasyl
виктор витя витёк victor wiktor віктор
виталий виталик виталя віталій витас
владимир вова володя вовка вован володимир wladimir volodymyr vladimir влад
владислав влад владик слава владя vladyslav
всеволод сева
вячеслав слава славик вячик viacheslav vyacheslav славка
геннадий гена генка геннадій gennady геша
георгий гоша жора гога george георгій jorge georg
герман гера herman
глеб глебушка hleb
григорий гриша гриня gregory григорій hryhoriy gregor
давид дэвид дава david
даниил данил данила даня daniel данило danylo даниель
денис дениска деня диня dennis
дмитрий дима митя димка димон димас дмитро dmitro димуля димасик димуся дмитрик діма митяй
евгений женя жека евген yevhen eugene jenya zhenya eugen женёк євген євгеній жэка женечка женька
егор егорка гоша yehor юра георгий ёжик
иван ваня ванька иванушка john ivan іван vanya ioann иоанн іванко иванко вано
игорь игорёк гарик гоша ігор ihor игоша ігорко
илья илюха илюша ілля illia elijah
иосиф ося joseph йосип
кирилл кирюха кира кирюша cyril кирило kyrylo
константин костя костик костян constantine kostya kostiantyn костянтин костюша кос
лев лёва лёвушка leo
леонид лёня лёнчик леонід leonid
максим макс maxim max maksym
марат маратик
марк марик mark marcus marc
матвей мотя матюша matthew матвій
михаил миша мишаня мишка michael michail michel mike михайло mykhailo misha miguel
никита никитос микита mykyta
николай коля колян николя nicholas nikolas микола mykola nick nicolas коленька колюня
олег олежка олежек oleh
павел паша павлик пашка paul pavlo павло pablo паха пашуля павлуша
пётр петя петруха peter петро pyotr petro pedro pierre
роман рома ромка ромчик roma
руслан русик рус
сергей серёжа серёга серж сергій serhiy serhii serge sergio sergi сергейка серый сержик сергійко сергунька
станислав стас стасик слава станіслав стась стасян
степан стёпа stephen stepan
тимофей тима тимоша
тимур тима timur
фёдор федя федька theodore федір fedir
филипп филя philip felipe
эдуард эдик эдя edward едуард eduard
юрий юра юрка юрик юрій yurii юрась юраня жора ура
яков яша jacob яків
ярослав ярик слава яра yaroslav
рустам рустик
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
алина аля алинка алиночка
алёна алена лёна алёнка olena
алиса аля alice
алла аллочка
анастасия настя настёна стася анастасія anastasia nastya ася настасья настюша настенька настуся
ангелина геля лина ангеліна гелечка
анжела анжелика анжелочка angela angelica
анна аня нюра анечка анюта нюша ann anna anne hanna ганна ася нюся нюта ануся аннушка
антонина тоня
валентина валя валюша valentina валюха валечка
валерия лера валерія valeria лерочка лерка
варвара варя barbara варюша варечка
василиса вася лиса
вера верочка віра веруня веруся
вероника ника вероніка veronica верона никуля
виктория вика victoria вікторія viktoriia викуля викуся віка тори
виолетта вита летта
галина галя галинка halyna галюня галка
дарья даша дашка дарина daria darya дарія дашуля дашуня дашенька одарка
диана діана diana
ева eva eve
евгения женя евгеша євгенія yevheniia eugenia jenya zhenya женечка геня
екатерина катя катюша катерина catherine kate katerina
екатерина kateryna ekaterina catalina катюня катенька катруся катруша катька
елена лена ленка helen олена elena helena леночка алена olena лёля леночек оленка ленуся алёна лєна
елизавета лиза лизавета elizabeth єлизавета liza лизонька лизок елисавета
жанна жанночка zhanna jeanne
зинаида зина
зоя зойка zoe
инна инночка
ирина ира иришка ірина irene iryna irina ируся иринка ірка іра ирочка
карина кариша каринка
кира кирочка kyra
кристина кристи christina христина крис кристинка христя
ксения ксюша оксана ксеня ксенія xenia kseniia oksana ксюха ксюшенька аксинья
лариса лара лариска
лидия лида lydia лідія
лилия лиля лілія lily лилька лили
любовь люба любаша lyubov liubov любка любочка любаня
людмила люда мила люся liudmyla ludmila милка людочка людок
маргарита рита марго margarita margaret ритуля маргоша
марина маринка мариша marina
мария маша маруся маня mary maria marie марія мари masha manya машенька марийка маруська мура машуля
милана мила
надежда надя надюша hope надія nadiia надюха надійка
наталья наташа ната наталия наталія natalie natasha nataly туся натаха наташенька наталка натали
нина ниночка
оксана ксюша ксана oksana ксеня оксанка ксюня
олеся леся олесенька
ольга оля оленька olha helga олечка олька олюня
полина поля полинка paulina полька полюшка
раиса рая
регина
римма
светлана света светик світлана svitlana лана светуля светка світланка
снежана снежа
софия соня софья софа софія sophia sophie sofia sonya
таисия тася тая тайка
тамара тома томочка томка тамарка
татьяна таня танюша тетяна tetiana tanya tatiana танечка танька тетянка танчик
ульяна уля уляша улька
эвелина эля ева
эльвира эля элька эльвирочка
эмма emma
юлия юля ulia юлька юлиана julia юлія yuliia julie julija юленька юлечка юльчик
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
герасим гера
данила данька данечка
демид дёма
ефим фима
захар захарка
клим климент
лука лукаш
макар макарка
мирон
назар
остап
платон тоша
прохор проша
родион родя
ростислав ростик слава
савелий сава савва
святослав слава святик
семён сёма сёмка сеня семен semyon simon
тарас тарасик
трофим трофимка
тихон тиша
эмиль эмик
элиас
юлиан юлик
якуб
альберт алик
артак
гарик игорь
азат
айрат
алмаз
ильнур
камиль
марсель
наиль
радик
раиль
рафаэль рафик
салават
фарид
шамиль
эльдар
агата
аделина аделя
аглая
амина
богдана дана
василина лина
злата
инга
камила мила
каролина
клавдия клава
майя
милена мила
мирослава мира слава
нонна
роза
руслана руся
серафима сима фима
софья софийка сонечка соня
стефания стефа
фаина фая
христина христя
элеонора нора эля лора
ярослава яся слава ярина
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
patricia pat patty trish tricia patti pats
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
samantha sam sammy
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
rachel rach rachael rae
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
abraham abe
agnes aggie
alan allan allen al
alexander alec xander lex sandy
alexandra lexi lexie alexa sasha
alice allie
allison ally alli
amelia millie amy
andrew andy drew
angela angie
ann annie nan anne anna
annabel bella
arnold arnie
ashley ash
augustus gus
barnaby barney
bartholomew bart
beatrice bea trixie
belinda bel lindy
bernadette bernie
bernard bernie
bethany beth
bridget biddy bridie
brittany britt
calvin cal
candace candy
carla
cassandra cassie cass sandra
cecilia celia cissy
chester chet
claire clara
clarence
clifford cliff
clinton clint
clive
constance connie
craig
curtis curt
cynthia cindy
darren daz
diane di diana
dominic dom nick
dylan
elaine laine
ella ellie
emma em emmie
erin
ethan
eva evie eve
evelyn evie eve
felicity fliss flick
florence flo florrie flossie
george georgie
georgina georgie gina
gertrude gertie trudy
gilbert gil bert
gillian gill jill
gordon gordy
grace gracie
graham gray
grant
gwendolyn gwen
hannah
harriet hattie
harrison harry
heather
heidi
helen nell ellie
herbert herb bert
holly
hope
hugh hughie
ian
irene rene
iris
isabella izzy bella isabel isabelle
ivan
ivy
jack jackie
jade
jean jeannie
jenna jen
joel
jordan jordy
josephine jo josie
joyce
julia jules julie
julian jules
juliet jules
justin
katherine kate kitty kay kath katy kit
kathleen kathy kath kate
kayla kay
keira
kerry
kirk
kristen kris kristin
kristina kris tina
kyle
leah
leo
lillian lily lil
logan
loretta lori
lorraine lori
lucas luke
luke
lydia liddy
lynn lyn lynne
mabel
madeline maddie maddy madeleine
malcolm mal
marcia marcy
maria ria mia
marilyn
marion
marjorie marge margie
marlene
marvin marv
matilda tilly mattie
maureen mo
maurice mo
maxine max
mercedes merche
mildred millie
miles
millicent millie
miranda mandy
molly
monica
morgan
muriel
myron
nathaniel nat nate
neil neal
nelson
nigel
noah
noel
norman norm
nora
norah
owen
paige
paula
pauline
penelope penny
percival percy
phoebe
phyllis
priscilla cilla
prudence prue
quentin
reginald reg reggie
rex
rhonda
riley
rita
robin
roderick rod
rodney rod
roland rollo
rory
rosalind ros roz
roy
ruby
rupert
ruth ruthie
ryan
sabrina
sally
sebastian seb bas
seth
sharon shaz
sheila
shelley
sidney sid sydney
sophia sophie soph sofia
spencer
stacey stace
stanley stan
stella
susanna susan sue zanna
sybil
tabitha tabby
tamara tammy
tara
thelma
tiffany tiff
tina
toby tobias
todd
tracy trace
travis
trevor trev
troy
valerie val
vanessa nessa
vera
vernon vern
victoria vicky tori vicki vikki vic
vivian viv
wanda
warren
wendy
wesley wes
wilfred wilf
winifred winnie
winston
yvonne
zoe
andrea
donna
gloria
dolores lola lolita
teresa tere
debra deb
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
antonio toni
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
cristina cris tina
dieter
dirk
dominik dominique
elena
elisabeth lisa elisa liesel elise sissi betti isabelle isabel
emmanuel manu
enrique quique kike
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
juan juanito juancho
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
manuel manolo manu
marcel
margarethe gretel grete margarita margit
maría mari maria marie maruja
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
pierre pierrot
rafael rafa raphael
rainer reiner
ramón moncho
raúl
renate
robert röbi
rolf rudolf rudi
sabine
santiago santi
sébastien seb sebastian basti sebastián
sergio
silke
stefan steffen stephan stéphane stefano
susanne susi sanne suse
sylvie sylvia
tobias tobi
torsten thorsten
ulrich uli ulli
ursula uschi ulla
ute
uwe
véronique vero
vicente
volker
walter
werner
wolfgang wolf
xavier xavi
yves
adele
adelheid heidi
agnès
albrecht
alejandra
alejandro ale jandro
alicia ali
alexandre alex
amélie
ana anita
andré
andrés
angelika geli
ángel
annika
annemarie
anneliese anneli
anselm
arnaud
arturo
aurélie
axel
bärbel barbara
bastien
beatriz bea
begoña bego
benoît ben
bernadette
bertrand
brigitte gitti gitte britta
bruno
camille cam
carlos carlitos charly
carlota
carolina caro
caroline caro
catalina cata
catherine cathy
chantal
charlotte lotte
chloé
christa
christelle
christiane
christina tina
christophe tof
clara
clément
concepción concha conchita
consuelo chelo
corinne
cornelia conny
daniela dani
daniel dani
damien
david dave davide
delphine
denise
detlef
diego
dolores lola loli
dominique domi
doris
eduardo edu lalo
edith
elke
élodie
emilia emi
emilio
erich
erika
erwin
estelle
esther
eva evi
ernst
étienne
eugenia
eugenio
eusebio
evelyne
fatima
felipe
felix
florence flo
francisco paco pancho curro fran kiko
francisca paca paqui
franck
françoise
frank
frédéric fred frédo
frieda
gaël
geneviève
georges
gérard
gertrud
gilles
gisela gisi
gonzalo
gregorio goyo
grégory greg
guadalupe lupe
gudrun
guido
guillermo guille memo
guy
hannelore hanne
harald
hartmut
hedwig
helene leni
helga
henri
henriette
herbert
hermann
hildegard hilde
hugo
ilse
imma inma
inès inés
inmaculada inma
inge
isabel isa chabela
ivan
jacqueline jacky
jacques
jaime
jana
jean
jeanne
jérémy jérém
jérôme
jesús chus suso chucho
joaquín quino ximo
joseph jo
josef sepp
josefa pepa pepi
josefina fina
jutta
juana
julia
julie
karl karlheinz kalle
karoline caro line
kerstin
kevin
konrad conny
kurt
lars
laura lau
laure
laurence
léa
lena
leonardo leo
leonie
lothar
lorenzo
lola
louise
lourdes
lucía luci
ludovic ludo
luise
luisa
lydie
magali
magdalena lena magda leni
magdalène
maite maría
manuela manu
manon
marc
margit
margot
margret greta
maria mia mitzi
marianne
maribel isabel
marie
mariana
marine
mario
marion
marisol
marlène
marlies
marta
martha
martine
mathieu mat
mathilde
matteo
maurice
maxime max
mélanie mel
mercedes merche meche
mia
michaela micha
michèle
mireille
miriam
montserrat montse
myriam
nadia
natalia nati
nathalie nath
nicolas nico
nicolás nico
nicole nicki
nieves
nikolaus niko
noelia
noémie
norbert nobbi
odile
olga
oliver olli
oscar
otto
pablo
pascal
pascale
patrice
patricia patri
patrick pat
pauline
pedro perico
pepe josé
peter
pilar pili
ralf
raquel
raphaël raph
régine
reinhard
reinhold
renaud
rené
ricardo richi
rita
roberto beto
robin
rocío
rodrigo
roland
romain
rosa
rosario charo
rosalie
rubén
rudolf rudi
ruth
salvador salva
samuel sam
sandra
sandrine
sara
sascha alexander
serge
simon
simone
sofía sofi
solange
sonia
sonja
sophie
sophia
stefanie steffi
susana susi
sven
tanja
teresa maite tere
théo
thérèse
thierry
thomas tom tommi
tim
tomás
trinidad trini
trudi gertrud
udo
valentin
valérie val
vanessa
verónica vero
vera
victor
vincent vince
virginie
waltraud traudl
wilhelm willi
yann
yannick
yolanda yoli
yvonne
"""
