// As autoexec.bat: a night light and a pump, with OpenBeken's commands alone.
// Needs the time and the place: time.zone and location.position.

setChannelLabel 1 "Night light"
setChannelLabel 2 Pump
setStartValue 2 0

alias light_on ms_publish cmnd/night/POWER ON
alias light_off ms_publish cmnd/night/POWER OFF

addChangeHandler Channel1 == 1 light_on
addChangeHandler Channel1 == 0 light_off

// From sunset to sunrise; every day.
addClockEvent sunset 0xff 1 setChannel 1 1
addClockEvent sunrise 0xff 2 setChannel 1 0

// Five minutes of pump each hour, but not at night.
addRepeatingEvent 3600 -1 if $CH1==0 then startScript night.bat pump

// Nothing more to do at the start.
exit

pump:
setChannel 2 1
ms_publish cmnd/pump/POWER ON
delay_s 300
setChannel 2 0
ms_publish cmnd/pump/POWER OFF
exit
