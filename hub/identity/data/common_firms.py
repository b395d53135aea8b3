"""Words that stand in the names of so many firms that they tell none of them: beside another key they still agree."""

from hub.identity.data import words

COMMON = words(
    """
агентство альфа альянс альтернатива аптека ателье атлант бизнес быт вектор вега весна восток гарант гарантия глобал
дело дизайн дом домашний евро европа завод зенит импульс инвест инженерный кафе квартал клиника комплекс комфорт
консалтинг контакт контур корпорация лидер логистик логистика магазин маркет мастер мебель медиа мир монтаж московский
надежда новый окна оптима орион парус партнер плюс победа престиж продукт проект прогресс пром ремонт ресурс ромашка
россия русский сатурн север сервис система системы снаб союз спектр спорт старт столица стоматология строительство
строй стройсервис студия такси тепло техника техно торг торговый транс трейд универсал уют феникс фаворит формула
центр школа эксперт элит энергия эталон юг юнион юпитер agency alliance alpha atlas auto best business cafe center
centre clinic club comfort consult consulting delta design digital energy euro europe expert express finance first
food global green home hotel house international invest leader logistic logistics market marketing master media
medical metal mobile new office omega online optima orion partner partners phoenix plus point premium prestige pro
product project rent restaurant school security service services shop smart soft software solution solutions star
start store studio system systems tech technology telecom trade trading trans travel union universal vector web world
"""
)
