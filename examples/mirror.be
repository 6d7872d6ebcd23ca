# The second button of a wall switch switches a lamp that hangs elsewhere, and its first one switches the lamp off.
# Both devices speak Tasmota's topics.

autoexec = module('autoexec')

autoexec.init = def ()
  ms_subscribe('stat/switch/POWER2', def (topic, payload)
    print('switch: ' + payload)
    ms_publish('cmnd/lamp/POWER', payload)
  end)
  ms_subscribe('stat/switch/POWER1', def (topic, payload)
    ms_publish('cmnd/lamp/POWER', 'OFF')
  end)
  ms_subscribe('stat/lamp/POWER', def (topic, payload)
    print('lamp: ' + payload)
  end)
end

return autoexec
