"""Words of messages that are no inquiries: tests, mail programs, offers to us, people who look for work."""

import re

from hub.identity.data import words

TEST = words(
    """
test tests testing tester тест тесты тестовый тестовая тестовое тестирование проверка проверяю prueba essai probe
admin administrator asdf asdfg asdfasdf qwe qwerty qwertz йцукен фыва ывап zzz xxx aaa abc
"""
)

OF_FORMS = words(
    "связи формы форма заявка заявки сайта form message lead name your vorname nombre nom user имя de"
    " formulario formulaire 1 2 3"
)

# Searched in text that is lower case already, and every choice begins with a letter: without re.I, and without \b in
# front, `re` leaps from one possible beginning to the next, in a tenth of the time.
OFFER = re.compile(
    r"seo(?<=\bseo)\b|backlink|first page of google|top[ -]?10\b|топ[ -]?10\b|продвижени\w+ сайт|раскрутк\w+"
    r"|casino|казино|ставк\w+ на спорт"
    r"|crypto(?<=\bcrypto)|bitcoin|btc(?<=\bbtc)\b|криптовал|forex|no deposit(?<=\bno deposit)\b"
    r"|viagra|followers(?<=\bfollowers)\b|подписчик\w+ (?:дешево|от|в)"
    r"|заработ\w+ (?:от|до|в интернет|без|на дому|из дома)|без вложений|пассивн\w+ доход"
    r"|earn (?:\$|€|money|from)|passive income|double your"
    r"|баз[ыау] (?:данных|клиентов|email|e-mail|компаний|телефонов)|email (?:list|database)|base de donn[ée]es"
    r"|leads? database"
    r"|we offer\b|i am a (?:web|graphic|freelance)|noticed (?:errors|issues|that your)"
    r"|your website\b.*\b(?:rank|traffic|errors|redesign)"
    r"|коммерческое предложение|предлагаем (?:вам |вашей )?(?:базы|услуги|поставк|сотрудничеств|продвижен)"
    r"|вы(?:играл|играла) (?:грант|приз)"
    r"|выигра\w+ (?:грант|приз)|вы выиграли|you(?:'ve| have)? won\b|claim your|кредит без отказа|loan offer"
    r"|guest post|link building"
    r"|wir bieten (?:ihnen|seo)|suchmaschinenoptimierung|posicionamiento (?:web|seo)|r[ée]f[ée]rencement"
)
"""What others want to sell to us. One sign: a customer may want SEO, too."""

AUTOMATIC = re.compile(
    r"mail delivery (?:failed|subsystem)|undeliver|delivery status notification|returning message to sender"
    r"|message not delivered"
    r"|automatische antwort|abwesenheit|auto(?:matic)?[ -]?(?:reply|response)|out of (?:the )?office|автоответ"
    r"|r[ée]ponse automatique"
    r"|respuesta autom[áa]tica|не доставлено|недоставлен"
)

SEEKS_WORK = re.compile(
    r"ищу работу|резюме во вложении|(?:моё|мое|прикладываю|высылаю|отправляю) резюме|шукаю роботу"
    r"|(?:my|attached) (?:cv|resume)\b|looking for a job|job application"
    r"|bewerbung (?:als|um)|busco (?:trabajo|empleo)|cherche un emploi"
)
