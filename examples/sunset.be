# Lights for the evening: on at sunset, dimmer late on school nights, off at midnight. Needs the time and the place:
# obkmq config set time.zone CET-1CEST,M3.5.0,M10.5.0/3
# obkmq config set location.position 52.52,13.405

autoexec = module('autoexec')

# Sunday to Thursday: bit 0 is Sunday.
autoexec.school_nights = 0x1f

autoexec.init = def ()
  addClockEvent('sunset', 0xff, def ()
    ms_publish('cmnd/porch/POWER', 'ON')
    ms_publish('cmnd/porch/Dimmer', '100')
  end)
  addClockEvent('21:30', autoexec.school_nights, def ()
    ms_publish('cmnd/porch/Dimmer', '30')
  end)
  addClockEvent('23:59:59', 0xff, def ()
    ms_publish('cmnd/porch/POWER', 'OFF')
  end)
end

return autoexec
