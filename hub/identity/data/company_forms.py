"""Legal forms of companies, as they stand beside a firm's name."""

from hub.identity.data import words

FORMS = words(
    """
ооо оао зао пао ао нао гк кфх нко ано гуп муп фгуп тоо тов пп прат пат чп чуп уп одо снт тсж ooo oao zao pao ao
llc llp lp ltd limited inc incorporated corp corporation co company plc pllc gmbh mbh ag kg ohg gbr ug se sa sas sarl
sasu eurl srl spa sl slu sc bv nv oy ab as aps sro doo kft zrt jsc ojsc cjsc pjsc pte pty group holding
компания фирма группа холдинг
"""
)

SOLE = words("ип фоп ип. ip чл пбоюл")
"""A trader who is a person: what follows is the person's name."""

SURE = words(
    """
ооо оао зао пао нао гуп муп фгуп тоо тов тсж ooo oao zao pao llc llp ltd limited inc gmbh mbh srl sarl bv plc jsc
corp corporation компания холдинг
"""
)
"""Forms that cannot be part of a person's name: a name that holds one names a company."""

TITLES = words(
    """
mr mrs ms miss mister mstr sir madam mme mlle monsieur madame dr doctor prof professor herr frau fr hr sr sra srta
senor senora don dona dipl ing mag г-н г-жа господин госпожа гр гражданин гражданка пан пани д-р доктор проф jr phd
mba esq
"""
)

NOBODY = words(
    """
null none n/a na nan undefined unknown anonymous guest user client customer test тест имя name noname no-name аноним
гость клиент пользователь неизвестно неизвестный нет - -- . .. 0 1 ? ?? xxx visitor посетитель покупатель абонент
проверка связи тестовый admin administrator yourname your vorname nombre nom prenom asdf qwerty qwe йцукен фыва
"""
)
"""What forms and programs write where no name was given. Kept as given, never compared."""

PARTICLES = words("von van vom zu zum zur der den de del della di da do dos du la le el al bin ibn ben ter ten")
