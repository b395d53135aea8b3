"""Mail providers: who gives mailboxes to anybody, which names lead to the same mailbox, what is typed by mistake."""

from collections.abc import Mapping

from hub.identity.data import words

FREE = words(
    """
gmail.com googlemail.com yahoo.com yahoo.co.uk yahoo.fr yahoo.de yahoo.es yahoo.it yahoo.co.in yahoo.com.br ymail.com
rocketmail.com aol.com outlook.com outlook.de outlook.fr outlook.es hotmail.com hotmail.co.uk hotmail.fr hotmail.de
hotmail.es hotmail.it live.com live.ru live.co.uk live.fr msn.com icloud.com me.com mac.com proton.me protonmail.com
pm.me mail.ru bk.ru list.ru inbox.ru internet.ru xmail.ru vk.com yandex.ru yandex.com ya.ru yandex.by yandex.kz
yandex.ua narod.ru rambler.ru lenta.ru autorambler.ru myrambler.ru ro.ru hotbox.ru pochta.ru qip.ru nm.ru e1.ru
mail.ua ukr.net i.ua meta.ua bigmir.net tut.by mail.kz mail.com email.com gmx.com gmx.de gmx.net gmx.at gmx.ch web.de
t-online.de freenet.de arcor.de posteo.de mailbox.org orange.fr wanadoo.fr free.fr laposte.net sfr.fr libero.it
virgilio.it tiscali.it terra.com.br uol.com.br bol.com.br btinternet.com sky.com virginmedia.com comcast.net
verizon.net att.net sbcglobal.net cox.net bellsouth.net zoho.com fastmail.com tuta.io tutanota.com hey.com qq.com
163.com 126.com sina.com naver.com daum.net hanmail.net wp.pl o2.pl onet.pl interia.pl seznam.cz centrum.cz
inbox.lv mail.ee abv.bg rediffmail.com
"""
)

SAME = {
    # https://support.google.com/mail/answer/10313 and answer/7436150
    "googlemail.com": "gmail.com",
    # One Yandex login answers under all national domains: https://yandex.ru/support/mail/web/preferences/address.html
    **dict.fromkeys(["ya.ru", "yandex.com", "yandex.by", "yandex.kz", "yandex.ua", "narod.ru"], "yandex.ru"),
    **dict.fromkeys(["protonmail.com", "pm.me"], "proton.me"),
    **dict.fromkeys(["me.com", "mac.com"], "icloud.com"),
}
"""Domains under which the same local part is the same mailbox. mail.ru, bk.ru, list.ru are different mailboxes."""

FOLD: Mapping[str, Mapping[int, int | None]] = {
    "gmail.com": str.maketrans("", "", "."),
    "yandex.ru": str.maketrans(".", "-"),
}
"""Characters of the local part that a provider does not tell apart: Gmail ignores dots, at Yandex "." is "-"."""

LEADING = ("gmail.com", "yandex.ru", "mail.ru", "icloud.com", "hotmail.com", "outlook.com", "yahoo.com", "rambler.ru")
"""Whom "ivan@gmail" without an ending means."""

OFTEN_MISSPELT = tuple(sorted(d for d in FREE if len(d) >= 7 and d.count(".") == 1))

MISTAKES = {
    "gmail.ru": "gmail.com",
    "gmail.com.ru": "gmail.com",
    "gmailcom": "gmail.com",
    "mailru": "mail.ru",
    "mail.com.ru": "mail.ru",
    "yandexru": "yandex.ru",
    "ynadex.ry": "yandex.ru",
    "iclod.con": "icloud.com",
    "icloud.ru": "icloud.com",
    "hotmail.ru": "hotmail.com",
    "outlook.ru": "outlook.com",
}
"""Slips further than one letter from what was meant."""

PLACEHOLDERS = words(
    """
test.com test.ru test.test test.de test.net testing.com domain.com domain.ru nomail.ru noemail.ru
yourdomain.com mydomain.com site.com
site.ru sample.com none.com none.ru no.com no.no nomail.com noemail.com no-email.com nothing.com email.email
asdf.com asd.ru asd.com qwerty.com qwerty.ru qwe.ru qwe.com aaa.com aaa.ru aa.aa a.ru a.com b.com abc.com 123.com
123.ru spam.com spam.ru nospam.com xxx.com xxx.xxx fake.com fake.ru null.com company.com
"""
)
"""Domains that stand for "I do not want to say"; example.com and its brothers are reserved by RFC 2606."""

PLACEHOLDER_LOCALS = words(
    """
test test1 test2 test123 testtest tester тест no none net not нет noemail no-email nomail nobody null undefined
example sample fake asdf asd asdasd asdfgh qwe qwerty qwerty123 qweqwe zxc 123 1234 12345 123456 abc xyz xxx
"""
)
"""Nobody's local parts, at any domain."""

PLACEHOLDER_FREE_LOCALS = words("mail email e-mail user name username login admin my me client info address pochta")
"""At a free provider nobody we could answer; at a domain of one's own a shared mailbox."""

ROLES = words(
    """
info sales sale office admin administrator support help helpdesk service services contact contacts contactus kontakt
kontakty hello hi mail email post pochta reception priemnaya sekretar secretary director direktor manager marketing
pr press media hr job jobs career careers rabota kadry personal buh buhgalter accounting accounts account finance
billing invoice invoices payment payments order orders zakaz zakazy zakupki snab tender zayavka zayavki prodazhi
prodaji opt shop store magazin booking reservation reservations bron team staff all company firma general
webmaster postmaster hostmaster abuse security noc root noreply no-reply donotreply do-not-reply mailer-daemon
robot notifications notification notify news newsletter subscribe unsubscribe feedback enquiries inquiry inquiries
request requests client clients klient customer customers customerservice care buero buro verkauf vertrieb bestellung
rechnung ventas contacto informacion comercial commercial direction accueil secretariat legal logist logistics sklad
dostavka delivery servis it tech dev partners partner
"""
)
"""Mailboxes that several people read (RFC 2142 and the habits of small firms)."""

NO_REPLY = frozenset(["noreply", "no-reply", "donotreply", "do-not-reply", "mailer-daemon", "postmaster"])
