# Buttons on the board's own pins (or `event OnClick 1` on the console): one switches between scenes with clicks, and
# switches all off when it is held. Channel 1 holds the scene, so that it can also be set over MQTT: obkmq/1/set.

autoexec = module('autoexec')
autoexec.scenes = ['OFF', 'reading', 'cinema', 'bright']

autoexec.init = def ()
  addEventHandler('OnClick', 1, def ()
    setChannel(1, (getChannel(1) + 1) % size(autoexec.scenes))
  end)
  addEventHandler('OnHold', 1, def () setChannel(1, 0) end)
  addEventHandler('Channel1', def (scene)
    if scene < 0 || scene >= size(autoexec.scenes) return end
    ms_publish('home/scene', autoexec.scenes[scene], true)
    ms_publish('cmnd/lamps/POWER', scene == 0 ? 'OFF' : 'ON')
    ms_publish('cmnd/lamps/Dimmer', str(scene * 30))
  end)
end

return autoexec
